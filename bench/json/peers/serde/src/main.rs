// serde-walk FILE N tree|stream: walks FILE N times with the distribution's
// serde_json, into a tree of Values or straight from the parser, making the
// same dotted names and values as the others. Prints how many numbers there
// are, their sum, and the nanoseconds of each walk.
use serde_crate::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_crate::Deserializer;
use serde_json::Value;
use std::fmt;
use std::time::Instant;

#[derive(Default)]
struct Sheet {
    leaves: Vec<(String, f64)>,
    path: String,
}

impl Sheet {
    fn emit(&mut self, v: f64) {
        self.leaves.push((self.path.clone(), v));
    }
    fn enter(&mut self, key: &str) -> usize {
        let before = self.path.len();
        if before > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        before
    }
}

fn tree(v: &Value, s: &mut Sheet) {
    match v {
        Value::Object(m) => {
            for (k, v) in m {
                let n = s.enter(k);
                tree(v, s);
                s.path.truncate(n);
            }
        }
        Value::Array(a) => {
            for (i, v) in a.iter().enumerate() {
                let n = s.enter(&i.to_string());
                tree(v, s);
                s.path.truncate(n);
            }
        }
        Value::Number(n) => s.emit(n.as_f64().unwrap()),
        _ => {}
    }
}

struct Walk<'a>(&'a mut Sheet);

impl<'de, 'a> DeserializeSeed<'de> for Walk<'a> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de, 'a> Visitor<'de> for Walk<'a> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E: Error>(self, v: i64) -> Result<(), E> {
        self.0.emit(v as f64);
        Ok(())
    }
    fn visit_u64<E: Error>(self, v: u64) -> Result<(), E> {
        self.0.emit(v as f64);
        Ok(())
    }
    fn visit_f64<E: Error>(self, v: f64) -> Result<(), E> {
        self.0.emit(v);
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut a: A) -> Result<(), A::Error> {
        let mut i = 0;
        loop {
            let n = self.0.enter(&i.to_string());
            let more = a.next_element_seed(Walk(&mut *self.0))?.is_some();
            self.0.path.truncate(n);
            if !more {
                return Ok(());
            }
            i += 1;
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut a: A) -> Result<(), A::Error> {
        while let Some(k) = a.next_key::<std::borrow::Cow<'de, str>>()? {
            let n = self.0.enter(&k);
            a.next_value_seed(Walk(&mut *self.0))?;
            self.0.path.truncate(n);
        }
        Ok(())
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let text = std::fs::read(&args[1]).unwrap();
    let mut s = Sheet::default();
    for _ in 0..args[2].parse::<usize>().unwrap() {
        let begin = Instant::now();
        s.leaves.clear();
        s.path.clear();
        if args[3] == "tree" {
            let v: Value = serde_json::from_slice(&text).unwrap();
            tree(&v, &mut s);
        } else {
            let mut d = serde_json::Deserializer::from_slice(&text);
            Walk(&mut s).deserialize(&mut d).unwrap();
        }
        let took = begin.elapsed().as_nanos();
        let sum: f64 = s.leaves.iter().map(|l| l.1).sum();
        println!("{} {:e} {}", s.leaves.len(), sum, took);
    }
}
