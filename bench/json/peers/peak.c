// peak COMMAND...: runs it and prints its peak memory in bytes on stderr. A
// process inherits the peak of the one that starts it until it outgrows that,
// so a small one has to do it.
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
	pid_t pid = fork();
	if (pid == 0) {
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	int status;
	struct rusage u;
	if (argc < 2 || pid < 0 || wait4(pid, &status, 0, &u) < 0) return 1;
	fprintf(stderr, "%ld\n", u.ru_maxrss * 1024);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
