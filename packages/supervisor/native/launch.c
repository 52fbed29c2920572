#define _GNU_SOURCE
#include "launch.h"

static bool parse_landlock(struct reader *reader, struct wall_spec *wall) {
    wall->handled_fs = read_u64(reader);
    wall->handled_net = read_u64(reader);
    wall->scoped = read_u64(reader);
    wall->path_count = read_u32(reader);
    if (reader->bad || wall->path_count > (size_t)(reader->end - reader->at) / 12)
        return false;
    wall->paths = allocate(sizeof wall->paths[0] * (wall->path_count + 1));
    for (uint32_t i = 0; i < wall->path_count; i++) {
        wall->paths[i].path = read_text(reader);
        wall->paths[i].access = read_u64(reader);
    }
    wall->except_paths = read_text_vector(reader);
    wall->except_access = read_u64(reader);
    return !reader->bad;
}

static bool parse_wall(struct reader *reader, struct wall_spec *wall) {
    wall->seccomp = read_u8(reader) != 0;
    wall->refuse_unix_sockets = read_u8(reader) != 0;
    wall->refuse_inet_sockets = read_u8(reader) != 0;
    wall->keep_capabilities = read_u64(reader);
    wall->landlock = read_u8(reader) != 0;
    if (wall->landlock && !parse_landlock(reader, wall))
        return false;
    wall->probing = read_u8(reader) != 0;
    if (wall->probing) {
        wall->probe.canary_file = read_text(reader);
        wall->probe.canary_folder = read_text(reader);
        wall->probe.network = read_u8(reader) != 0;
        wall->probe.gaps = read_text_vector(reader);
    }
    return !reader->bad;
}

bool launch_parse(struct reader *reader, struct launch_spec *launch) {
    *launch = (struct launch_spec){0};
    launch->guarded = read_u8(reader) != 0;
    launch->intercept = read_u8(reader) != 0;
    launch->pid_namespace = read_u8(reader) != 0;
    uint8_t terminal = read_u8(reader);
    if (terminal > TERMINAL_FOREGROUND)
        return false;
    launch->terminal = (enum terminal_use)terminal;
    uint8_t output = read_u8(reader);
    launch->pty = output == OUTPUT_PTY;
    launch->merged_output = output == OUTPUT_PIPE;
    launch->rows = read_u32(reader);
    launch->columns = read_u32(reader);
    launch->cgroup = read_text(reader);
    launch->pids_cgroup = read_text(reader);
    launch->nofile_soft = read_u64(reader);
    launch->ignored_signals = read_u64(reader);
    launch->closed_descriptors = read_u8(reader);
    launch->own_session = read_u8(reader) != 0;
    launch->linger_ms = read_u32(reader);
    launch->outer_argv = read_text_vector(reader);
    launch->file = read_text(reader);
    launch->argv = read_text_vector(reader);
    launch->env = read_text_vector(reader);
    launch->cwd = read_text(reader);
    launch->wall.present = read_u8(reader) != 0;
    if (launch->wall.present && !parse_wall(reader, &launch->wall))
        return false;
    launch->escalate_socket = read_u32(reader);
    launch->freezer_cgroup = read_text(reader);
    return !reader->bad && reader->at == reader->end;
}
