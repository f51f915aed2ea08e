// payload: what the peers run. Static, so that its start costs little.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void put(const char *b, size_t n) {
	while (n > 0) {
		ssize_t k = write(1, b, n);
		if (k <= 0)
			exit(1);
		b += k;
		n -= k;
	}
}

int main(int argc, char **argv) {
	static char b[64 << 10];
	const char *what = argc > 1 ? argv[1] : "";
	long n = argc > 2 ? atol(argv[2]) : 0;

	memset(b, 'x', sizeof b);
	if (!strcmp(what, "flood")) { // n bytes, as fast as they go
		for (; n > 0; n -= sizeof b)
			put(b, n < (long)sizeof b ? (size_t)n : sizeof b);
	} else if (!strcmp(what, "silent")) { // n ms
		struct timespec t = { n / 1000, n % 1000 * 1000000 };
		nanosleep(&t, NULL);
	} else if (!strcmp(what, "steady")) { // 4 KiB every 4 ms, n times
		struct timespec t = { 0, 0 };
		clock_gettime(CLOCK_MONOTONIC, &t);
		for (; n > 0; n--) {
			put(b, 4096);
			t.tv_nsec += 4096 * 1000; // 1 MB/s
			if (t.tv_nsec >= 1000000000)
				t.tv_nsec -= 1000000000, t.tv_sec++;
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		}
	} else if (!strcmp(what, "tree")) { // n children, and an escapee if asked for
		for (; n > 0; n--)
			if (fork() == 0)
				for (;;)
					pause();
		if (argc > 3) {
			pid_t pid = fork();
			if (pid == 0) {
				setsid();
				if (fork() > 0)
					_exit(0);
				for (;;)
					pause();
			}
			waitpid(pid, NULL, 0); // so that it has left the group
		}
		put("ready\n", 6);
		for (;;)
			pause();
	} else if (!strcmp(what, "where")) { // its cgroup, as its first act
		int fd = open("/proc/self/cgroup", O_RDONLY);
		ssize_t k = read(fd, b, sizeof b);
		put(b, k > 0 ? k : 0);
	}
	return 0;
}
