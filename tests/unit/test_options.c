/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/folders.h"
#include "fabricd/options.h"

static struct ipc_start start;
static char *said;
static size_t said_size;

/* Runs options_read() on the words of a line; `said` is what it wrote. */
static int run(const char *line)
{
    static char words[1024];
    char *argv[32] = {NULL};
    char *save = NULL;
    int argc = 0;
    FILE *f;
    int status;

    snprintf(words, sizeof words, "fabricd %s", line);
    for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    free(said);
    f = open_memstream(&said, &said_size);
    status = options_read(argc, argv, &start, f, f);
    fclose(f);
    return status;
}

static int setup(void **state)
{
    (void)state;
    unsetenv("IOTH_RUN_DIR");
    unsetenv("IOTH_STATE_DIR");
    return 0;
}

static void test_flags(void **state)
{
    (void)state;
    assert_int_equal(run("--name alpha --listen 192.0.2.1:9 --run-dir=/r --state-dir /s "
                         "--store sqlite:/x.db --foreground --log-level debug"),
                     OPTIONS_GO);
    assert_string_equal(start.host, "alpha");
    assert_string_equal(start.run_dir, "/r");
    assert_string_equal(start.state_dir, "/s");
    assert_string_equal(start.store, "sqlite:/x.db");
    assert_int_equal(start.listen.family, 4);
    assert_int_equal(start.listen.port, 9);
    assert_int_equal(start.log_level, 3);
}

static void test_wrong_usage_is_one_line_and_2(void **state)
{
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"--nmae alpha", "did you mean --name?"},
        {"--frobnicate=1", "unknown flag --frobnicate"},
        {"start", "unknown argument start"},
        {"--name", "--name needs a value (HOST)"},
        {"--name Alpha", "is no name"},
        {"--name 1a", "is no name"},
        {"--listen 192.0.2.1", "is no address"},
        {"--listen 192.0.2.1:70000", "is no address"},
        {"--log-level loud", "is no level"},
        {"--store redis:x", "is no store"},
        {"--foreground=no", "takes no value"},
        {"--run-dir=", "must not be empty"},
        {"--config /nonexistent.yaml", "No such file"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(run(cases[i].line), 2);
        assert_non_null(strstr(said, cases[i].says));
        assert_int_equal(strchr(said, '\n') - said, strlen(said) - 1);
    }
}

static void test_refused_by_name_is_1(void **state)
{
    (void)state;
    assert_int_equal(run("--services nobody"), OPTIONS_GO);
    assert_string_equal(start.services, "nobody");
    assert_int_equal(run("--store etcd://192.0.2.1:2379"), 1);
    assert_non_null(strstr(said, "etcd store is refused"));
    assert_int_equal(run("--services nobody --log-level loud"), 2);
}

static void test_help_and_version(void **state)
{
    (void)state;
    assert_int_equal(run("--help"), 0);
    assert_non_null(strstr(said, "--state-dir DIR"));
    assert_int_equal(run("--version"), 0);
    assert_memory_equal(said, "fabricd ", 8);
}

static void test_file_environment_flag_in_order(void **state)
{
    char path[] = "/tmp/ioth-options-XXXXXX";
    char line[128];
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");

    (void)state;
    fputs("name: beta\nrun-dir: /file/run\nstate-dir: /file/state\nforeground: true\n"
          "listen: \"[::1]:7\"\n",
          f);
    fclose(f);
    setenv("IOTH_RUN_DIR", "/env/run", 1);
    setenv("IOTH_STATE_DIR", "/env/state", 1);
    snprintf(line, sizeof line, "--config %s --state-dir /flag/state", path);
    assert_int_equal(run(line), OPTIONS_GO);
    assert_string_equal(start.host, "beta");
    assert_string_equal(start.run_dir, "/env/run");
    assert_string_equal(start.state_dir, "/flag/state");
    assert_int_equal(start.listen.family, 6);

    f = fopen(path, "w");
    fputs("nam: beta\nname: [a]\nfoo: 1\n", f);
    fclose(f);
    assert_int_equal(run(line), 2);
    assert_non_null(strstr(said, ":1:1: nam: unknown key nam (did you mean name?)"));
    assert_non_null(strstr(said, ":2:1: name: wrong kind"));
    assert_non_null(strstr(said, ":3:1: foo: unknown key foo"));
    f = fopen(path, "w");
    fputs("name: {\n", f);
    fclose(f);
    assert_int_equal(run(line), 2);
    unlink(path);
    setup(NULL);
}

static void test_names_are_made_fit(void **state)
{
    static const struct {
        const char *text, *name;
    } cases[] = {{"Alpha", "alpha"},
                 {"web-01.example.org", "web-01"},
                 {"_x_", "x"},
                 {"7of9", "of9"},
                 {"B\xc3\xbcro", "b-ro"},
                 {"", "host"},
                 {"jo_e-my host", "jo-e-my-host"}};
    char name[IPC_NAME_SIZE];

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        options_fit_name(cases[i].text, name);
        assert_string_equal(name, cases[i].name);
    }
}

static void test_folders(void **state)
{
    char base[] = "/tmp/ioth-folders-XXXXXX";
    char path[108], link[108];
    struct err err = {0};
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(base));
    snprintf(path, sizeof path, "%s/a/b", base);
    assert_int_equal(folder_make(path, sizeof path, 0700, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(folder_make(path, sizeof path, 0755, &err), 0); /* Stays as it is. */
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(chmod(path, 0770), 0);
    assert_int_equal(folder_make(path, sizeof path, 0700, &err), -EPERM);
    assert_non_null(strstr(err.hint, "chmod go-w"));
    assert_int_equal(chmod(path, 0700), 0);
    snprintf(link, sizeof link, "%s/link", base);
    assert_int_equal(symlink(path, link), 0);
    if (geteuid() == 0) { /* Somebody else's link to a folder of ours. */
        assert_int_equal(lchown(link, 12345, 12345), 0);
        assert_int_equal(folder_make(link, sizeof link, 0700, &err), -EPERM);
        assert_int_equal(lchown(link, 0, 0), 0);
    }
    assert_int_equal(folder_make(link, sizeof link, 0700, &err), 0);
    assert_string_equal(link, path); /* Where it leads to. */
    snprintf(link, sizeof link, "%s/link", base);
    unlink(link);
    rmdir(path);
    snprintf(path, sizeof path, "%s/a", base);
    rmdir(path);
    rmdir(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_flags, setup),
        cmocka_unit_test_setup(test_wrong_usage_is_one_line_and_2, setup),
        cmocka_unit_test_setup(test_refused_by_name_is_1, setup),
        cmocka_unit_test_setup(test_help_and_version, setup),
        cmocka_unit_test_setup(test_file_environment_flag_in_order, setup),
        cmocka_unit_test_setup(test_names_are_made_fit, setup),
        cmocka_unit_test_setup(test_folders, setup),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(said);
    return failed;
}
