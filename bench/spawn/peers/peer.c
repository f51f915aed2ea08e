// peer: the C side. peer MODE COUNT LIMIT PROGRAM ARGS... runs PROGRAM COUNT
// times and prints a line for each: wall ns, harness CPU ns, harness wake-ups,
// bytes seen.
//   floor    vfork, exec, wait: no pipes, no promises
//   poll     one poll loop over two 64 KiB pipes, LIMIT bytes kept in a warm buffer
//   killpg   as poll, but times killpg to the end of both streams, once "ready" was read
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long cpu(long *wakes) {
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	*wakes = r.ru_nvcsw;
	return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000000LL + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1000LL;
}

int main(int argc, char **argv) {
	if (argc < 5)
		return 2;
	int floor = !strcmp(argv[1], "floor"), killing = !strcmp(argv[1], "killpg");
	long limit = atol(argv[3]);
	char *keep[2] = { malloc(limit + 1), malloc(limit + 1) };
	static char drop[64 << 10];
	memset(keep[0], 1, limit + 1);
	memset(keep[1], 1, limit + 1);

	for (int i = atoi(argv[2]); i > 0; i--) {
		long w0, w1;
		long long c0 = cpu(&w0), t0 = now();
		long seen[2] = { 0, 0 };
		int p[2][2], status;
		if (!floor)
			for (int s = 0; s < 2; s++)
				if (pipe2(p[s], O_CLOEXEC))
					return 1;
		pid_t pid = vfork();
		if (pid == 0) {
			if (!floor) {
				setpgid(0, 0);
				dup2(p[0][1], 1);
				dup2(p[1][1], 2);
			}
			execve(argv[4], argv + 4, environ);
			_exit(127);
		}
		if (!floor) {
			struct pollfd f[2];
			int open = 2, killed = 0;
			for (int s = 0; s < 2; s++) {
				close(p[s][1]);
				f[s].fd = p[s][0];
				f[s].events = POLLIN;
			}
			while (open > 0) {
				poll(f, 2, -1);
				for (int s = 0; s < 2; s++) {
					if (f[s].fd < 0 || !f[s].revents)
						continue;
					long room = limit - seen[s];
					ssize_t n = room > 0 ? read(f[s].fd, keep[s] + seen[s], room) : read(f[s].fd, drop, sizeof drop);
					if (n <= 0) {
						close(f[s].fd);
						f[s].fd = -1;
						open--;
						continue;
					}
					seen[s] += n;
				}
				if (killing && !killed && seen[0] >= 6) {
					killed = 1;
					c0 = cpu(&w0);
					t0 = now();
					kill(-pid, SIGKILL);
				}
			}
		}
		waitpid(pid, &status, 0);
		long long t1 = now(), c1 = cpu(&w1);
		printf("%lld %lld %ld %ld\n", t1 - t0, c1 - c0, w1 - w0, seen[0] + seen[1]);
	}
	return 0;
}
