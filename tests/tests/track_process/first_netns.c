/* Opens the proc connector in the network namespace FIRST_NETNS, for a program that runs in another one: the kernel has
 * it in the first alone (drivers/connector), and nothing else of the program may leave the namespace of its test. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int socket(int domain, int type, int protocol)
{
    int (*next)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
    const char *first = getenv("FIRST_NETNS");
    if (domain != AF_NETLINK || protocol != NETLINK_CONNECTOR || !first)
        return next(domain, type, protocol);
    int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    int other = open(first, O_RDONLY | O_CLOEXEC);
    int made = -1;
    if (own >= 0 && setns(other, CLONE_NEWNET) == 0) {
        made = next(domain, type, protocol);
        if (setns(own, CLONE_NEWNET) != 0)
            _exit(111);
    }
    close(own);
    close(other);
    return made;
}
