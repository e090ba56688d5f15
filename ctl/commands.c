/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one table of the command line: parsing, help, completion and the manual come from it.
 * What the contract names and this version does not have yet stands here too, with `later`, so
 * that it is refused by name.
 */
#include "ctl/commands.h"

#include "ctl/run/run.h"

/* clang-format off */

#define END {0}
/* Of every command that changes objects. */
#define OPTION_PRINT_YAML \
    {.name = "print-yaml", .help = "Print the fabric file that would do the same, and do nothing"}

/* Of a command that changes what no file says. */
#define NO_YAML(WHY) {.name = "print-yaml", .help = "", .later = WHY}

#define IMPAIRMENTS "link impairments are not built yet"

const struct option_row global_options[] = {
    {.name = "socket", .value = "PATH", .help = "The daemon's API socket, or https://HOST:PORT (else IOTH_SOCKET)"},
    {.name = "token-file", .value = "FILE", .help = "Over https: the file with the token (else IOTH_TOKEN_FILE)"},
    {.name = "pin", .value = "PIN", .help = "Over https: the pin of its key, as status shows it there (else IOTH_PIN)"},
    {.name = "host", .value = "HOST", .help = "The daemon of another host of the fabric"},
    {.name = "output", .letter = 'o', .value = "FORMAT", .words = "table|json|yaml",
     .help = "table (the default), json or yaml"},
    {.name = "quiet", .letter = 'q', .help = "Say nothing but errors and what was asked for"},
    {.name = "verbose", .letter = 'v', .help = "Show the requests to the daemon"},
    {.name = "no-start", .help = "Do not start a daemon when none runs"},
    {.name = "help", .letter = 'h', .help = "Show help, also behind a command"},
    {.name = "version", .help = "Show the version"},
    END
};

static const struct option_row net_create_options[] = {
    {.name = "vlan", .flags = OPTION_REPEATED, .value = "ID[=NAME]", .help = "Declare a VLAN, 1 to 4094, with an address plan of its own"},
    {.name = "ipv4", .value = "CIDR|none|auto", .help = "IPv4 address plan (auto: an unused /24)"},
    {.name = "ipv6", .value = "CIDR|none|auto", .help = "IPv6 address plan (auto: a ULA /64)"},
    {.name = "mtu", .value = "N", .help = "Largest packet in bytes (1500)"},
    {.name = "forwarding", .value = "MODE", .words = "direct|tree|mesh", .help = "direct: between hosts on the link that joins them; tree: by a spanning tree",
     .later = "mesh forwarding is not built yet (direct or tree)", .later_words = "mesh"},
    {.name = "stp", .value = "MODE", .words = "rstp|stp|off", .help = "rstp (the default), stp or off"},
    {.name = "local", .help = "The network never leaves this host"},
    {.name = "allow", .flags = OPTION_REPEATED, .value = "WHO", .help = "Let others in: uid:N, gid:N, user:U or group:G"},
    {.name = "on", .value = "HOST,…|all", .help = "The hosts that may enter it (all)"},
    OPTION_PRINT_YAML,
    END
};

static const struct option_row port_add_options[] = {
    {.name = "tap", .value = "IF", .help = "A TAP interface of that name on this host"},
    {.name = "vde", .help = "A place for a VDE client"},
    {.name = "stream", .value = "SOCKET", .help = "A socket of that name in RUN/net/NET for QEMU's -netdev stream"},
    {.name = "raw", .value = "IF", .help = "A physical Ethernet interface of this host"},
    {.name = "access", .value = "ID", .help = "The VLAN that it is in, untagged"},
    {.name = "trunk", .value = "IDS", .help = "VLANs that it carries tagged: 10,20,30-39"},
    {.name = "native", .value = "ID", .help = "The trunk's untagged VLAN"},
    {.name = "transparent", .help = "Tags pass untouched, as in every network without VLANs"},
    {.name = "rate", .value = "BITS", .help = "Bits per second towards the port (10M, 1.5G)"},
    OPTION_PRINT_YAML,
    END
};

static const struct option_row link_set_options[] = {
    {.name = "cost", .value = "N", .help = "Path cost where networks forward by tree (2000)"},
    {.name = "delay", .value = "T", .help = "Added delay", .later = IMPAIRMENTS},
    {.name = "jitter", .value = "T", .help = "Added variation", .later = IMPAIRMENTS},
    {.name = "loss", .value = "P", .help = "Part that is lost", .later = IMPAIRMENTS},
    {.name = "rate", .value = "BITS", .help = "Limit of the rate", .later = IMPAIRMENTS},
    {.name = "duplicate", .value = "P", .help = "Part that comes twice", .later = IMPAIRMENTS},
    {.name = "reorder", .value = "P", .help = "Part that is overtaken", .later = IMPAIRMENTS},
    OPTION_PRINT_YAML,
    END
};

static const struct option_row change_options[] = {
    OPTION_PRINT_YAML,
    END
};

static const struct option_row restart_options[] = {
    NO_YAML("no file says that a service starts anew"),
    END
};

static const struct option_row host_leave_options[] = {
    NO_YAML("no file says which fabric a host is in"),
    END
};

static const struct option_row token_rm_options[] = {
    NO_YAML("tokens are in no file"),
    END
};

static const struct option_row daemon_options[] = {
    NO_YAML("no file says whether a daemon runs"),
    END
};

static const struct option_row key_options[] = {
    NO_YAML("the root key is in no file"),
    END
};

static const struct option_row host_invite_options[] = {
    {.name = "name", .value = "NAME", .help = "The name that the host must take"},
    {.name = "expires", .value = "TIME", .help = "How long the token is good (1h)"},
    NO_YAML("no file invites a host; one that names it under hosts waits for it to join"),
    END
};

static const struct option_row host_join_options[] = {
    {.name = "discard", .help = "Drop the objects that this host holds of its own"},
    NO_YAML("no file says which fabric a host is in"),
    END
};

static const struct option_row run_options[] = {
    {.name = "net", .flags = OPTION_REPEATED, .value = "NET[:VLAN]", .help = "The network to be on; several give eth0, eth1, …"},
    {.name = "name", .value = "NAME", .help = "The node's name; without one it is anonymous and goes at exit"},
    {.name = "ip", .flags = OPTION_REPEATED, .value = "ADDRESS", .help = "An address of one's own choice"},
    {.name = "mac", .value = "MAC", .help = "A MAC of one's own choice"},
    {.name = "stack", .flags = OPTION_SETTINGS, .value = "STACK", .words = "netns|lwip",
     .help = "netns: a network namespace; lwip: in the program's process, without any privilege or device, "
             "with settings behind it: lwip,rcvbuf=64K,rate=10M (ioth(3))"},
    {.name = "rate", .value = "BITS", .help = "Bits per second towards the program"},
    {.name = "root", .help = "Map a root and subordinate ids, for programs that need them"},
    NO_YAML("no file starts a program that ends with its launcher; iothctl service create does"),
    END
};

static const struct option_row service_create_options[] = {
    {.name = "net", .value = "NET[:VLAN]", .help = "The network to be on"},
    {.name = "ip", .flags = OPTION_REPEATED, .value = "ADDRESS", .help = "An address of one's own choice"},
    {.name = "mac", .value = "MAC", .help = "A MAC of one's own choice"},
    {.name = "gateway", .flags = OPTION_REPEATED, .value = "ADDRESS", .help = "Where its default routes go"},
    {.name = "host", .value = "HOST", .help = "Where it is to run (this host, or by its place)"},
    {.name = "place", .flags = OPTION_REPEATED, .value = "LABEL", .help = "A label that its host must have"},
    {.name = "restart", .value = "WHEN", .words = "always|on-failure|never", .help = "always (the default), on-failure or never"},
    {.name = "env", .flags = OPTION_REPEATED, .value = "NAME=VALUE", .help = "A variable of its environment"},
    {.name = "secret", .flags = OPTION_REPEATED, .value = "NAME=FILE", .help = "A variable whose value is in a file on its host"},
    {.name = "folder", .value = "DIR", .help = "The folder that it starts in (/)"},
    {.name = "check-http", .value = "PATH", .help = "It is well while GET http://ADDRESS/PATH succeeds"},
    {.name = "check-tcp", .value = "PORT", .help = "It is well while the port takes connections"},
    {.name = "check-port", .value = "PORT", .help = "The port of --check-http (80)"},
    {.name = "check-command", .value = "COMMAND", .help = "It is well while this program, run beside it, ends with 0: words, or a list [sh, -c, …]"},
    {.name = "every", .value = "TIME", .help = "Time between checks (10s)"},
    {.name = "timeout", .value = "TIME", .help = "After which a check has failed (2s)"},
    {.name = "failures", .value = "N", .help = "Failed checks in a row that make it unhealthy (3)"},
    {.name = "memory", .value = "BYTES", .help = "Most memory: 512M"},
    {.name = "cpu", .value = "PERCENT", .help = "Most time of processors, in percent of one"},
    {.name = "processes", .value = "N", .help = "Most processes and threads"},
    {.name = "after", .flags = OPTION_REPEATED, .value = "SERVICE", .help = "One that is up before it starts"},
    {.name = "requires", .flags = OPTION_REPEATED, .value = "SERVICE", .help = "One without which it does not run"},
    {.name = "state", .flags = OPTION_REPEATED, .value = "DIR", .help = "A folder with its state, which moves with it"},
    OPTION_PRINT_YAML,
    END
};

static const struct option_row service_migrate_options[] = {
    {.name = "to", .value = "HOST", .help = "The host to move it to"},
    OPTION_PRINT_YAML,
    END
};

static const struct option_row service_log_options[] = {
    {.name = "follow", .letter = 'f', .help = "Go on as the log grows"},
    {.name = "lines", .letter = 'n', .value = "N", .help = "Only the last lines"},
    END
};

static const struct option_row token_create_options[] = {
    {.name = "scope", .value = "SCOPE", .words = "read|write|admin", .help = "What it lets its holder do: read; write objects and files too; or all"},
    {.name = "expires", .value = "TIME", .help = "How long it is good (90d, at most 366d)"},
    {.name = "name", .value = "NAME", .help = "What it is called in ls and in the audit log"},
    NO_YAML("tokens are in no file"),
    END
};

static const struct option_row audit_options[] = {
    {.name = "limit", .letter = 'n', .value = "N", .help = "The latest so many (100)"},
    END
};

#define FILE_OPTION {.name = "file", .letter = 'f', .flags = OPTION_REPEATED, .value = "FILE", .help = "The fabric file, or a folder of them; - is standard input"}

static const struct option_row apply_options[] = {
    FILE_OPTION,
    {.name = "prune", .help = "Remove, of the kinds that the file declares, what it does not name"},
    {.name = "dry-run", .help = "Print the plan and do nothing"},
    {.name = "confirm", .value = "TIME", .help = "Roll back after that time unless apply --accept follows"},
    {.name = "accept", .help = "Let the apply stay that waits for it"},
    {.name = "require", .value = "WHICH", .words = "all|quorum|reachable", .help = "Joined hosts that must take part (all)"},
    {.name = "allow-destroy", .help = "Let steps destroy what --prune does not remove"},
    {.name = "within", .value = "TIME", .help = "How long hosts may take to carry it out (10s)"},
    {.name = "if-revision", .value = "REV", .help = "Only if the fabric is as --dry-run or diff saw it, at that revision"},
    {.name = "print-yaml", .help = "Print the files as one, checked, and do nothing"},
    END
};

static const struct option_row rollback_options[] = {
    {.name = "dry-run", .help = "Print the plan and do nothing"},
    {.name = "confirm", .value = "TIME", .help = "Undo it after that time unless apply --accept follows"},
    {.name = "require", .value = "WHICH", .words = "all|quorum|reachable", .help = "Joined hosts that must take part (all)"},
    {.name = "allow-destroy", .help = "Let steps destroy, among them what was made since"},
    {.name = "within", .value = "TIME", .help = "How long hosts may take to carry it out (10s)"},
    {.name = "if-revision", .value = "REV", .help = "Only if the fabric is as --dry-run saw it, at that revision"},
    NO_YAML("what there was is in no file but in the history; --dry-run shows what would be done"),
    END
};

static const struct option_row history_options[] = {
    {.name = "number", .letter = 'n', .value = "N", .help = "Only the last N"},
    END
};

static const struct option_row diff_options[] = {
    FILE_OPTION,
    {.name = "prune", .help = "Show too what --prune would remove"},
    END
};

static const struct option_row validate_options[] = {
    FILE_OPTION,
    {.name = "schema", .help = "Print the JSON Schema of fabric files, for editors"},
    END
};

static const struct option_row status_options[] = {
    {.name = "watch", .letter = 'w', .help = "Show it again every second, until interrupted"},
    END
};

static const struct option_row capture_options[] = {
    {.name = "write", .letter = 'w', .value = "FILE", .help = "Write pcapng; - is standard output"},
    {.name = "count", .letter = 'c', .value = "N", .help = "End after so many frames"},
    {.name = "snap", .letter = 's', .value = "BYTES", .help = "Keep only the first bytes of each frame"},
    END
};

static const struct option_row topology_options[] = {
    {.name = "output", .letter = 'o', .value = "FORMAT", .words = "text|dot|svg|json|table", .help = "text (the default), dot, svg or json"},
    END
};

static const struct option_row log_options[] = {
    {.name = "follow", .letter = 'f', .help = "Go on as the log grows"},
    END
};

static const struct option_row help_options[] = {
    {.name = "manual", .help = "Print the manual page"},
    {.name = "reference", .help = "Print the reference of keys, in Markdown"},
    END
};

#define ANY 250 /* Names that one command takes. */
#define LATER(NOUN, WHY) {.noun = NOUN, .flags = COMMAND_HIDDEN, .max = ANY, .usage = "", .help = "", .later = WHY}

const struct command commands[] = {
    {"net", "create", 0, 1, 1, "NAME", net_create_options, cmd_net_create, "Make a network", NULL},
    {"net", "ls", 0, 0, 0, "", NULL, cmd_ls, "List the networks", NULL},
    {"net", "show", 0, 1, 1, "NAME", NULL, cmd_show, "Show a network", NULL},
    {"net", "macs", 0, 1, 1, "NAME", NULL, cmd_net_macs, "Show the MACs that this host's switch knows", NULL},
    {"net", "set", 0, 2, ANY, "NAME KEY=VALUE…", change_options, cmd_set, "Change a network; KEY= takes the key away", NULL},
    {"net", "rm", 0, 1, ANY, "NAME…", change_options, cmd_rm, "Remove networks", NULL},

    {"port", "ls", 0, 0, 1, "[NET]", NULL, cmd_ls, "List the ports", NULL},
    {"port", "show", 0, 1, 1, "NET/PORT", NULL, cmd_show, "Show a port and its counters", NULL},
    {"port", "add", 0, 1, 2, "NET [NAME]", port_add_options, cmd_port_add, "Add a port on this host", NULL},
    {"port", "set", 0, 2, ANY, "NET/PORT KEY=VALUE…", change_options, cmd_set, "Change a port", NULL},
    {"port", "rm", 0, 1, ANY, "NET/PORT…", change_options, cmd_rm, "Remove ports", NULL},

    {"endpoint", "ls", 0, 0, 1, "[NET]", NULL, cmd_ls, "List the endpoints with their addresses", NULL},
    {"endpoint", "show", 0, 1, 1, "NET/NAME", NULL, cmd_show, "Show an endpoint", NULL},
    {"endpoint", "rm", 0, 1, ANY, "NET/NAME…", change_options, cmd_rm, "Forget endpoints and free their addresses", NULL},

    {"fabric", "show", 0, 0, 0, "", NULL, cmd_fabric_show, "Show this host's fabric", NULL},
    {"fabric", "rename", 0, 1, 1, "NAME", change_options, cmd_fabric_rename, "Give the fabric a name", NULL},
    {"fabric", "key", COMMAND_HERE, 2, 2, "export|import FILE", key_options, cmd_fabric_key, "Take the root key out of this machine, or bring it back", NULL},

    {"host", "ls", 0, 0, 0, "", NULL, cmd_ls, "List the hosts", NULL},
    {"host", "show", 0, 1, 1, "HOST", NULL, cmd_show, "Show a host", NULL},
    {"host", "invite", 0, 0, 0, "", host_invite_options, cmd_host_invite, "Print a token that lets one host join", NULL},
    {"host", "join", COMMAND_SECRET | COMMAND_HERE, 1, 1, "TOKEN", host_join_options, cmd_host_join, "Join the fabric of a token; - reads it from standard input", NULL},
    {"host", "leave", COMMAND_HERE, 0, 0, "", host_leave_options, cmd_host_leave, "Leave the fabric and be one's own again", NULL},
    {.noun = "host", .verb = "revoke", .flags = COMMAND_HIDDEN, .usage = "", .help = "", .later = "host revoke is not built yet"},

    {"link", "ls", 0, 0, 0, "", NULL, cmd_ls, "List the links with their state", NULL},
    {"link", "show", 0, 1, 1, "LINK", NULL, cmd_show, "Show a link and its counters", NULL},
    {"link", "add", 0, 2, 2, "HOST ADDR:PORT", change_options, cmd_link_add, "Dial a host at an address", NULL},
    {"link", "set", 0, 1, ANY, "HOST [KEY=VALUE…]", link_set_options, cmd_link_set, "Change a link", NULL},
    {"link", "rm", 0, 1, ANY, "HOST…", change_options, cmd_rm, "Remove links that were added", NULL},

    {"service", "create", COMMAND_REST, 1, 1, "NAME", service_create_options, cmd_service_create, "Declare a daemon that the fabric runs", NULL},
    {"service", "ls", 0, 0, 0, "", NULL, cmd_ls, "List the services with their state", NULL},
    {"service", "show", 0, 1, 1, "NAME", NULL, cmd_show, "Show a service", NULL},
    {"service", "set", 0, 2, ANY, "NAME KEY=VALUE…", change_options, cmd_set, "Change a service", NULL},
    {"service", "logs", 0, 1, 1, "NAME", service_log_options, cmd_service_logs, "Print what a service has written", NULL},
    {"service", "start", 0, 1, ANY, "NAME…", change_options, cmd_service_do, "Let services run", NULL},
    {"service", "stop", 0, 1, ANY, "NAME…", change_options, cmd_service_do, "End services, and keep them declared", NULL},
    {"service", "restart", 0, 1, ANY, "NAME…", restart_options, cmd_service_do, "Start services anew", NULL},
    {"service", "rm", 0, 1, ANY, "NAME…", change_options, cmd_rm, "End services and remove them", NULL},
    {"service", "migrate", 0, 1, 1, "NAME --to HOST", service_migrate_options, cmd_service_migrate, "Move a service to another host, with its addresses", NULL},

    {"run", NULL, COMMAND_REST | COMMAND_PROGRAM | COMMAND_HERE, 0, 0, "", run_options, run_main, "Run a program as a node of its own", NULL},
    {"exec", NULL, COMMAND_REST | COMMAND_PROGRAM | COMMAND_HERE, 1, 1, "NET/NAME", NULL, exec_main, "Run one more program on a node", NULL},

    {"status", NULL, 0, 0, 0, "", status_options, cmd_status, "Show host, fabric, links and what is wrong", NULL},
    {"events", NULL, 0, 0, 0, "", NULL, cmd_events, "Show what happens, until interrupted", NULL},
    {"doctor", NULL, 0, 0, 0, "", NULL, cmd_doctor, "Say what is wrong on this host, and the command that mends it", NULL},
    {"topology", NULL, 0, 0, 0, "", topology_options, cmd_topology, "Draw the fabric", NULL},
    {"capture", NULL, COMMAND_HERE, 1, ANY, "NET|NET/PORT [FILTER]", capture_options, cmd_capture, "Show or record the frames of a network or port", NULL},

    {"apply", NULL, 0, 0, 0, "-f FILE…", apply_options, cmd_apply, "Make the fabric what a file says", NULL},
    {"diff", NULL, COMMAND_COMPARE, 0, 0, "-f FILE…", diff_options, cmd_diff, "Show what apply would do; exit status 1 if anything", NULL},
    {"export", NULL, 0, 0, 0, "", NULL, cmd_export, "Print the fabric as a file", NULL},
    {"validate", NULL, 0, 0, 0, "-f FILE…|--schema", validate_options, cmd_validate, "Check a file, without a daemon", NULL},

    {"history", NULL, 0, 0, 1, "[REV]", history_options, cmd_history, "Show who changed what, or what one revision changed", NULL},
    {"rollback", NULL, 0, 1, 1, "REV", rollback_options, cmd_rollback, "Make the fabric what it was at a revision", NULL},

    {"daemon", "start", COMMAND_HERE, 0, 0, "", daemon_options, cmd_daemon_start, "Start this user's daemon in the background", NULL},
    {"daemon", "stop", COMMAND_HERE, 0, 0, "", daemon_options, cmd_daemon_stop, "End the daemon and with it its nodes' networks", NULL},
    {"daemon", "log", COMMAND_HERE, 0, 0, "", log_options, cmd_daemon_log, "Print the log of a daemon that iothctl started", NULL},

    {"token", "create", 0, 0, 0, "", token_create_options, cmd_token_create, "Print a token for the API over TCP; it is shown this once", NULL},
    {"token", "ls", 0, 0, 0, "", NULL, cmd_token_ls, "List the tokens", NULL},
    {"token", "rm", 0, 1, ANY, "NAME…", token_rm_options, cmd_token_rm, "Take tokens back", NULL},
    {"audit", NULL, 0, 0, 0, "", audit_options, cmd_audit, "Show who asked this host for which change", NULL},

    {"version", NULL, 0, 0, 0, "", NULL, cmd_version, "Show the versions of iothctl and the daemon", NULL},
    {"help", NULL, 0, 0, 2, "[NOUN]", help_options, cmd_help, "Show help", NULL},
    {"completion", NULL, 0, 1, 1, "bash|zsh|fish", NULL, cmd_completion, "Print the completion script of a shell", NULL},
    {"complete", NULL, COMMAND_REST | COMMAND_HIDDEN, 0, 0, "", NULL, cmd_complete, "What the last word may become", NULL},

    LATER("router", "routers are not built yet"),
    LATER("store", "moving, saving and restoring the store is not built yet"),
    LATER("import", "import is not built yet"),
    LATER("console", "the console of a network's switch is not built yet; iothctl port ls shows its ports"),
    END
};
