/*
 * A kernel that fails at random, between ipmgr and netlink: loaded into it (LD_PRELOAD), for as long as the file FAULTS exists,
 * repeatable by FAULTS_SEED. A test's own; nothing of ipmgr knows it.
 *
 * It never lies: what it doesn't pass on has not happened, and what it loses has.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One call in so many fails. */
#define RARITY 3
/* No larger datagram is sent. */
#define MAX_DATAGRAM (1 << 20)

static uint64_t state;
static const char *file;

/* SplitMix64. */
static uint64_t chance(uint64_t bound)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % bound;
}

static int fails(int fd)
{
	int domain = 0;
	socklen_t length = sizeof domain;

	if (!file || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) || domain != AF_NETLINK)
		return 0;
	return chance(RARITY) == 0 && access(file, F_OK) == 0;
}

static ssize_t fail(int error)
{
	errno = error;
	return -1;
}

/* Makes one request of a batch one that no kernel knows: it answers so, and does the others. */
static void spoil(char *bytes, size_t length)
{
	size_t messages = 0, at = 0, which;
	struct nlmsghdr header;

	for (int round = 0; round < 2; round++) {
		which = messages ? chance(messages) : 0;
		messages = 0;
		for (at = 0; at + sizeof header <= length; at += NLMSG_ALIGN(header.nlmsg_len)) {
			memcpy(&header, bytes + at, sizeof header);
			if (header.nlmsg_len < sizeof header)
				return;
			if (round && messages == which) {
				header.nlmsg_type = 0x7ff;
				memcpy(bytes + at, &header, sizeof header);
				return;
			}
			messages++;
		}
	}
}

ssize_t sendto(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to, socklen_t to_length)
{
	static ssize_t (*next)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
	static const int errors[] = { EBUSY, ENOMEM, ENOBUFS, EAGAIN };
	static char copy[MAX_DATAGRAM];

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "sendto");
	if (!fails(fd) || length > sizeof copy)
		return next(fd, bytes, length, flags, to, to_length);
	if (chance(2))
		return fail(errors[chance(sizeof errors / sizeof *errors)]);
	memcpy(copy, bytes, length);
	spoil(copy, length);
	return next(fd, copy, length, flags, to, to_length);
}

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
	return sendto(fd, bytes, length, flags, NULL, 0);
}

ssize_t recvfrom(int fd, void *bytes, size_t length, int flags, struct sockaddr *from, socklen_t *from_length)
{
	static ssize_t (*next)(int, void *, size_t, int, struct sockaddr *, socklen_t *);
	ssize_t got;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "recvfrom");
	if (!fails(fd))
		return next(fd, bytes, length, flags, from, from_length);
	switch (chance(4)) {
	case 0:
		return fail(ENOBUFS);
	case 1: /* Lost: the kernel never loses anything without saying so (netlink(7)). */
		got = next(fd, bytes, length, flags, from, from_length);
		return got < 0 ? got : fail(ENOBUFS);
	case 2: /* Cut off. */
		got = next(fd, bytes, length, flags, from, from_length);
		return got > 0 ? got / 2 : got;
	default:
		return fail(ENOMEM);
	}
}

ssize_t recv(int fd, void *bytes, size_t length, int flags)
{
	return recvfrom(fd, bytes, length, flags, NULL, NULL);
}

__attribute__((constructor)) static void enter(void)
{
	const char *seed = getenv("FAULTS_SEED");

	file = getenv("FAULTS");
	state = seed ? strtoull(seed, NULL, 10) : 0;
}
