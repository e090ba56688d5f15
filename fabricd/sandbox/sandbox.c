/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lists. What is refused gives an error rather than death, so that a library that only
 * tries (OpenSSL looks for a configuration file) goes on without.
 */
#include "fabricd/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define N_OF(list) (sizeof(list) / sizeof *(list))

static const int switch_calls[] = {
    /* Frames, datagrams and messages. */
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendmmsg),
    /* VDE clients and a new parent come in by sockets that listen already, or are bound. */
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(listen),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    /* The loop. */
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(eventfd2),
    SCMP_SYS(preadv2),
    SCMP_SYS(pwritev2),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(sched_yield),
    SCMP_SYS(fcntl),
    SCMP_SYS(dup),
    SCMP_SYS(fstat),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    /* Memory; never executable, see below. */
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(mlock),
    SCMP_SYS(mlock2),
    SCMP_SYS(munlock),
    SCMP_SYS(futex),
    SCMP_SYS(membarrier),
    SCMP_SYS(getrandom),
    SCMP_SYS(sysinfo),
    SCMP_SYS(prlimit64),
    SCMP_SYS(getrusage),
    /* Who we are, and how we end. */
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(uname),
    SCMP_SYS(prctl),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(tgkill),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

static const int control_refused[] = {
    /* Other processes' insides. */
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(perf_event_open),
    /* The machine. */
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsmount),
    SCMP_SYS(fsconfig),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(reboot),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(syslog),
    SCMP_SYS(acct),
    SCMP_SYS(quotactl),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(open_by_handle_at),
    /* Large and rarely needed parts of the kernel. */
    SCMP_SYS(bpf),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(personality),
    SCMP_SYS(vmsplice),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    /* It runs no other program, so whoever takes it over does not either. */
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
};

/* What the switch asks of a TAP; standard error may be a terminal, which takes other orders. */
static const unsigned long switch_ioctls[] = {TUNGETIFF, TUNSETVNETHDRSZ, TUNSETOFFLOAD};
/* Typing into the terminal that the daemon was started from. */
static const unsigned long control_ioctls_refused[] = {TIOCSTI, TIOCLINUX};

int sandbox_common(void)
{
    struct rlimit none = {0, 0};

    if (setrlimit(RLIMIT_CORE, &none) < 0)
        return -errno;
    return 0;
}

/* Root keeps its files, and loses everything else. A daemon without root has nothing to lose. */
static int drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};

    return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

static int before_filter(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return drop_capabilities();
}

/* --- files ---------------------------------------------------------------------------------- */

/* Rights that came after the headers of some systems. */
#define FS_REFER    (1ULL << 13)
#define FS_TRUNCATE (1ULL << 14)

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_OWN                                                                             \
    (FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |               \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | FS_TRUNCATE)

/* Users and groups, with their libraries and caches; time zones; what libraries look for. None of
 * these need be there. */
static const char *const control_reads[] = {
    "/etc",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/run/systemd",
    "/run/userdb",
    "/run/nscd",
    "/proc/sys/kernel/random",
    "/var/lib/sss",
    "/var/lib/misc",
    "/var/lib/extrausers",
    "/var/cache/nscd",
};
static const char *const control_devices[] = {"/dev/null", "/dev/zero", "/dev/urandom",
                                              "/dev/random"};

static long landlock_version(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

#if defined(IOTH_SANITIZED)
bool sandbox_has_landlock(void)
{
    return false; /* As for the calls, below. */
}
#else
bool sandbox_has_landlock(void)
{
    return landlock_version() > 0;
}
#endif

/* All that this kernel can refuse; of devices and networks the other lists have their say. */
static uint64_t handled_rights(void)
{
    long version = landlock_version();
    uint64_t rights = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1;

    if (version >= 2)
        rights |= FS_REFER;
    if (version >= 3)
        rights |= FS_TRUNCATE;
    return rights;
}

/* A place that is not there is not allowed either. */
static int allow(int rules, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights & handled_rights()};
    int fd = open(path, O_PATH | O_CLOEXEC);
    int r = 0;

    if (fd < 0)
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : -errno;
    rule.parent_fd = fd;
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        r = -errno;
    close(fd);
    return r;
}

static int allow_control(int rules, const struct sandbox_folders *own)
{
    int r = own->store ? allow(rules, own->store, FS_OWN) : 0;

    if (!r && own->api)
        r = allow(rules, own->api, FS_OWN);
    if (!r && own->logs)
        r = allow(rules, own->logs, FS_READ);
    for (size_t i = 0; !r && i < N_OF(control_reads); i++)
        r = allow(rules, control_reads[i], FS_READ);
    for (size_t i = 0; !r && i < N_OF(control_devices); i++)
        r = allow(rules, control_devices[i],
                  LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE);
    return r;
}

/* `own` are the folders that control has; NULL for the switch, which has no file. */
static int confine_files(const struct sandbox_folders *own)
{
    struct landlock_ruleset_attr attr = {.handled_access_fs = 0};
    int rules, r = 0;

    if (!sandbox_has_landlock())
        return 0;
    attr.handled_access_fs = handled_rights();
    rules =
        (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
    if (rules < 0)
        return -errno;
    if (own)
        r = allow_control(rules, own);
    if (!r && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
        r = -errno;
    close(rules);
    return r;
}

/* --- system calls --------------------------------------------------------------------------- */

#if defined(IOTH_SANITIZED)
/* The sanitizers' own runtime needs calls of its own: such a build is for finding faults. */
static int load(scmp_filter_ctx ctx)
{
    (void)ctx;
    return 0;
}
#else
static int load(scmp_filter_ctx ctx)
{
    return seccomp_load(ctx);
}
#endif

static int add_all(scmp_filter_ctx ctx, uint32_t action, const int *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int r = seccomp_rule_add(ctx, action, calls[i], 0);

        if (r < 0 && r != -EDOM) /* EDOM: this machine has no such call. */
            return r;
    }
    return 0;
}

static int add_ioctls(scmp_filter_ctx ctx, uint32_t action, const unsigned long *requests,
                      size_t n)
{
    int r = 0;

    /* The kernel looks at the lower half of the number only. */
    for (size_t i = 0; !r && i < n; i++)
        r = seccomp_rule_add(ctx, action, SCMP_SYS(ioctl), 1,
                             SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, requests[i]));
    return r;
}

static int add_switch_rules(scmp_filter_ctx ctx)
{
    static const int memory[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
    static const int files[] = {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(access),
                                SCMP_SYS(readlink)};
    int r = add_all(ctx, SCMP_ACT_ALLOW, switch_calls, N_OF(switch_calls));

    if (!r)
        r = add_ioctls(ctx, SCMP_ACT_ALLOW, switch_ioctls, N_OF(switch_ioctls));
    for (size_t i = 0; !r && i < N_OF(memory); i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, memory[i], 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    /* fstat() of newer C libraries: of a descriptor, never of a path. */
    if (!r)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                             SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH, 0));
    /* To the switch the file system is empty. */
    if (!r)
        r = add_all(ctx, SCMP_ACT_ERRNO(ENOENT), files, N_OF(files));
    return r;
}

int sandbox_switch(void)
{
    scmp_filter_ctx ctx;
    int r = before_filter();

    if (!r)
        r = confine_files(NULL);
    if (r < 0)
        return r;
    ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!ctx)
        return -ENOMEM;
    r = add_switch_rules(ctx);
    if (!r)
        r = load(ctx);
    seccomp_release(ctx);
    return r;
}

int sandbox_control(const struct sandbox_folders *own)
{
    scmp_filter_ctx ctx;
    int r = before_filter();

    if (!r)
        r = confine_files(own);
    if (r < 0)
        return r;
    ctx = seccomp_init(SCMP_ACT_ALLOW);
    if (!ctx)
        return -ENOMEM;
    r = add_all(ctx, SCMP_ACT_ERRNO(EPERM), control_refused, N_OF(control_refused));
    if (!r)
        r = add_ioctls(ctx, SCMP_ACT_ERRNO(EPERM), control_ioctls_refused,
                       N_OF(control_ioctls_refused));
    if (!r)
        r = load(ctx);
    seccomp_release(ctx);
    return r;
}
