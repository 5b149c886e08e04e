/*
 * Somebody who runs code inside a daemon: loaded into it (LD_PRELOAD), does on SIGUSR2 what INTRUDER names, and says so if it
 * lives on. A test's own; nothing of the daemons knows it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What is to be tried; see act(). */
static const char *wish;

static void tell(int could)
{
	static const char yes[] = "the intruder could\n", no[] = "the intruder could not\n";

	if (write(STDERR_FILENO, could ? yes : no, (could ? sizeof yes : sizeof no) - 1) < 0)
		_exit(1);
}

static void try_to_write(const char *path)
{
	tell(open(path, O_WRONLY | O_CREAT, 0600) >= 0);
}

static void try_to_make_code(void)
{
	const int wish = PROT_READ | PROT_WRITE | PROT_EXEC;

	tell(mmap(NULL, 4096, wish, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static void act(void)
{
	char *const argv[] = { "true", NULL };

	if (!strcmp(wish, "program")) execve("/bin/true", argv, argv + 1);
	if (!strcmp(wish, "process")) syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!strcmp(wish, "tcp")) socket(AF_INET, SOCK_STREAM, 0);
	if (!strcmp(wish, "udp")) socket(AF_INET6, SOCK_DGRAM, 0);
	if (!strcmp(wish, "audit")) socket(AF_NETLINK, SOCK_RAW, 9);
	if (!strcmp(wish, "packet")) socket(AF_PACKET, SOCK_DGRAM, 0);
	if (!strcmp(wish, "mount")) mount("none", "/mnt", "tmpfs", 0, "");
	if (!strcmp(wish, "debugger")) ptrace(PTRACE_ATTACH, 1, 0, 0);
	if (!strcmp(wish, "bpf")) syscall(SYS_bpf, 5, 0, 0);
	if (!strcmp(wish, "keys")) syscall(SYS_keyctl, 0, 0, 0, 0, 0);
	if (!strcmp(wish, "module")) syscall(SYS_init_module, "", 0, "");
	if (!strcmp(wish, "user")) syscall(SYS_setresuid, 0, 0, 0);
	if (!strcmp(wish, "namespace")) unshare(CLONE_NEWUSER);
	if (!strcmp(wish, "signal")) kill(1, 0);
	if (!strcmp(wish, "header")) setsockopt(0, IPPROTO_IP, IP_HDRINCL, argv, 4);
	if (!strcmp(wish, "filter")) setsockopt(0, SOL_SOCKET, SO_DETACH_FILTER, argv, 4);
	if (!strcmp(wish, "code")) try_to_make_code();
	if (!strcmp(wish, "mute")) signal(SIGSYS, SIG_IGN);
	if (!strcmp(wish, "state")) try_to_write("/run/state/new");
	if (!strcmp(wish, "file")) try_to_write("/run/new");
	if (!strcmp(wish, "configuration")) try_to_write("/etc/handover/handover.conf");
	if (!strcmp(wish, "uring")) syscall(SYS_io_uring_setup, 1, 0);
}

/* With INTRUDER=old the kernel is one that has neither seccomp nor landlock; all else is passed on. */
long syscall(long number, ...)
{
	static long (*next)(long, ...);
	long argument[6];
	va_list arguments;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "syscall");
	if (wish && !strcmp(wish, "old") && (number == SYS_seccomp || number == SYS_landlock_create_ruleset)) {
		errno = ENOSYS;
		return -1;
	}
	va_start(arguments, number);
	for (int i = 0; i < 6; i++)
		argument[i] = va_arg(arguments, long);
	va_end(arguments);
	return next(number, argument[0], argument[1], argument[2], argument[3], argument[4], argument[5]);
}

static void on_signal(int number)
{
	static const char said[] = "the intruder lives\n";

	(void)number;
	act();
	if (write(STDERR_FILENO, said, sizeof said - 1) < 0)
		_exit(1);
}

__attribute__((constructor)) static void enter(void)
{
	wish = getenv("INTRUDER");
	if (wish)
		signal(SIGUSR2, on_signal);
}
