/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of a keeper: specs out of objects, the log on the disk, control groups (a folder stands for
 * the kernel's). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper/group.h"
#include "keeper/output.h"
#include "keeper/spec.h"
#include "proto/base/fd.h"

static char folder[64];

static struct spec *spec_of(const char *json)
{
    struct err err = {.why = ""};
    struct diags diags;
    struct node *body;

    diags_init(&diags);
    body = node_from_json(json, strlen(json), NULL, &diags);
    diags_done(&diags);
    return spec_new(body, &err);
}

static void specs(void **state)
{
    struct spec *s = spec_of(
        "{\"network\": \"office\", \"vlan\": 30, \"mac\": \"02:00:00:00:00:09\","
        " \"addresses\": [\"10.30.0.10/24\", \"fd42:30::10/64\"],"
        " \"gateway\": [\"fd42:30::1\", \"10.30.0.1\"], \"command\": [\"sleep\", \"1\"],"
        " \"restart\": \"on-failure\", \"limits\": {\"memory\": \"64M\", \"cpu\": 50},"
        " \"check\": {\"http\": \"/x\", \"every\": \"250ms\", \"failures\": 2}}");
    struct spec *other;

    (void)state;
    assert_non_null(s);
    assert_string_equal(s->network, "office");
    assert_int_equal(s->vlan, 30);
    assert_int_equal(s->mac[5], 9);
    assert_int_equal(s->n_addrs, 2);
    assert_int_equal(s->addrs[1].prefix, 64);
    assert_int_equal(s->gateway4.family, 4);
    assert_int_equal(s->gateway6.family, 6);
    assert_string_equal(s->argv[1], "1");
    assert_null(s->argv[2]);
    assert_int_equal(s->policy.restart, SUPERVISE_ON_FAILURE);
    assert_int_equal(s->policy.every, 250 * MTIME_MS);
    assert_int_equal(s->policy.timeout, 2 * MTIME_SEC);
    assert_int_equal(s->check, SPEC_HTTP);
    assert_int_equal(s->check_port, 80);
    assert_int_equal(s->memory, 64 << 20);
    other = spec_of("{\"network\": \"office\", \"command\": [\"sleep\", \"1\"]}");
    assert_true(spec_needs_restart(s, other));
    assert_false(spec_needs_restart(other, other));
    spec_free(other);
    spec_free(s);
    assert_null(spec_of("{\"network\": \"office\"}"));
    assert_null(spec_of("{\"command\": [\"x\"]}"));
    assert_null(spec_of("[]"));
}

static void environments(void **state)
{
    char path[128], json[512];
    struct err err = {.why = ""};
    struct spec *s;
    char **list;
    unsigned n = 0;
    FILE *f;

    (void)state;
    snprintf(path, sizeof path, "%s/secret", folder);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("hush\n", f);
    fclose(f);
    snprintf(json, sizeof json,
             "{\"network\": \"n\", \"command\": [\"x\"], \"environment\": [\"A=b c\"],"
             " \"secrets\": [{\"name\": \"S\", \"file\": \"%s\"}]}",
             path);
    s = spec_of(json);
    list = spec_environment(s, &err);
    assert_non_null(list);
    for (unsigned i = 0; list[i]; i++)
        n += !strcmp(list[i], "A=b c") || !strcmp(list[i], "S=hush") ||
             !strncmp(list[i], "PATH=/", 6);
    assert_int_equal(n, 3);
    spec_free_environment(list);
    unlink(path);
    assert_null(spec_environment(s, &err));
    assert_non_null(strstr(err.why, path));
    spec_free(s);
}

static void logs(void **state)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct output out;
    struct stat st;
    char line[1000];

    (void)state;
    memset(line, 'x', sizeof line);
    output_open(&out, fd);
    for (int i = 0; i < 5000; i++) /* Five times what is kept. */
        output_write(&out, line, sizeof line);
    assert_int_equal(fstatat(fd, "log", &st, 0), 0);
    assert_in_range(st.st_size, 1, OUTPUT_MAX + (long)sizeof line);
    assert_int_equal(fstatat(fd, "log.1", &st, 0), 0);
    assert_in_range(st.st_size, OUTPUT_MAX, OUTPUT_MAX + (long)sizeof line);
    output_note(&out, "%s", "the end");
    output_forget(&out);
    assert_int_equal(fstatat(fd, "log", &st, 0), -1);
    output_done(&out);
    close(fd);
}

static void put(const char *file, const char *text)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, file);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void got(const char *file, const char *text)
{
    char path[128], line[64] = "";
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, file);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    fclose(f);
    assert_string_equal(line, text);
}

static void groups(void **state)
{
    static const char *const files[] = {"memory.max", "cpu.max", "pids.max",
                                        "cgroup.procs"};
    struct spec *s = spec_of("{\"network\": \"n\", \"command\": [\"x\"], \"limits\":"
                             " {\"memory\": \"1G\", \"cpu\": 150, \"processes\": 10}}");
    struct spec *free_ = spec_of("{\"network\": \"n\", \"command\": [\"x\"]}");
    struct err err = {.why = ""};
    char path[128];

    (void)state;
    assert_int_equal(group_enter(folder, "web", free_, 42, &err), 0);
    /* Without the controllers it is refused, by name. */
    put("cgroup.controllers", "cpuset cpu io memory_x hugetlb\n");
    put("cgroup.subtree_control", "\n");
    assert_int_equal(group_enter(folder, "web", s, 42, &err), -ENOTSUP);
    assert_non_null(strstr(err.why, "no controller memory"));
    put("cgroup.controllers", "cpuset cpu io memory pids\n");
    snprintf(path, sizeof path, "%s/ioth-web", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    for (unsigned i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "ioth-web/%s", files[i]);
        put(path, "");
    }
    assert_int_equal(group_enter(folder, "web", s, 42, &err), 0);
    got("ioth-web/memory.max", "1073741824");
    got("ioth-web/cpu.max", "150000 100000");
    got("ioth-web/pids.max", "11");
    got("ioth-web/cgroup.procs", "42");
    assert_false(group_out_of_memory(folder, "web"));
    put("ioth-web/memory.events", "low 0\nmax 7\noom 0\noom_kill 0\noom_group_kill 2\n");
    assert_false(group_out_of_memory(folder, "web"));
    put("ioth-web/memory.events", "low 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 0\n");
    assert_true(group_out_of_memory(folder, "web"));
    /* Those of the group itself go into one of theirs. */
    put("cgroup.procs", "41\n43\n");
    snprintf(path, sizeof path, "%s/ioth-fabricd", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    put("ioth-fabricd/cgroup.procs", "");
    assert_int_equal(group_make_room(folder), 0);
    got("ioth-fabricd/cgroup.procs", "43");
    spec_free(s);
    spec_free(free_);
}

/* On a hierarchy of the kernel's, where one can be mounted. Which controllers it has does not matter. */
static void room_is_made(void **state)
{
    char group[96], below[128], path[64], line[256] = "", pid_text[16];
    pid_t pid;
    FILE *f;

    (void)state;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", folder, "cgroup2", 0, NULL) < 0) {
        print_message("no cgroup2 can be mounted: %s\n", strerror(errno));
        skip();
    }
    snprintf(group, sizeof group, "%s/ioth-test-%d", folder, (int)getpid());
    if (mkdir(group, 0755) < 0) {
        print_message("no group can be made: %s\n", strerror(errno));
        umount(folder);
        skip();
    }
    pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    snprintf(pid_text, sizeof pid_text, "%d", (int)pid);
    snprintf(path, sizeof path, "%s/cgroup.procs", strrchr(group, '/') + 1);
    put(path, pid_text);
    assert_int_equal(group_make_room(group), 0);
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    f = fopen(path, "r");
    while (fgets(line, sizeof line, f) && strncmp(line, "0::", 3) != 0) {
    }
    fclose(f);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    snprintf(below, sizeof below, "%s/ioth-fabricd", group);
    for (int i = 0; i < 100 && rmdir(below) < 0; i++)
        usleep(10000);
    assert_int_equal(rmdir(group), 0);
    umount(folder);
    assert_non_null(strstr(line, "/ioth-fabricd\n"));
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test-keeper.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(specs),
        cmocka_unit_test_setup_teardown(environments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(logs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(groups, set_up, tear_down),
        cmocka_unit_test_setup_teardown(room_is_made, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
