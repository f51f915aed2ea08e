// peer: the Rust side. peer COUNT PROGRAM ARGS... runs PROGRAM COUNT times with
// the standard library's output() and prints a line for each, like peer.c.
use std::env;
use std::process::Command;
use std::time::Instant;

#[repr(C)]
#[derive(Default)]
struct Rusage {
    utime: [i64; 2],
    stime: [i64; 2],
    rest: [i64; 14],
}

extern "C" {
    fn getrusage(who: i32, usage: *mut Rusage) -> i32;
}

fn cpu() -> (i64, i64) {
    let mut r = Rusage::default();
    unsafe { getrusage(0, &mut r) };
    let us = (r.utime[0] + r.stime[0]) * 1_000_000 + r.utime[1] + r.stime[1];
    (us * 1000, r.rest[12])
}

fn main() {
    let args: Vec<String> = env::args().collect();
    for _ in 0..args[1].parse::<u32>().unwrap() {
        let (c0, w0) = cpu();
        let t0 = Instant::now();
        let out = Command::new(&args[2]).args(&args[3..]).output().unwrap();
        let wall = t0.elapsed().as_nanos();
        let (c1, w1) = cpu();
        println!("{} {} {} {}", wall, c1 - c0, w1 - w0, out.stdout.len() + out.stderr.len());
    }
}
