/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/sockets/filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/bytes.h"

/* --- the check ------------------------------------------------------------------------------------ */

static bool ext_known(uint32_t k)
{
    return k == (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL) ||
           k == (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE) ||
           k == (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX);
}

static bool load_ok(const struct sock_filter *f)
{
    unsigned mode = BPF_MODE(f->code), size = BPF_SIZE(f->code);

    switch (mode) {
    case BPF_IMM:
    case BPF_LEN:
        return size == BPF_W;
    case BPF_MEM:
        return size == BPF_W && f->k < BPF_MEMWORDS;
    case BPF_ABS:
        return (size == BPF_W || size == BPF_H || size == BPF_B) &&
               (f->k < (uint32_t)SKF_LL_OFF || ext_known(f->k));
    case BPF_IND:
        return size == BPF_W || size == BPF_H || size == BPF_B;
    default:
        return false;
    }
}

static bool loadx_ok(const struct sock_filter *f)
{
    unsigned mode = BPF_MODE(f->code), size = BPF_SIZE(f->code);

    return (size == BPF_W && (mode == BPF_IMM || mode == BPF_LEN ||
                              (mode == BPF_MEM && f->k < BPF_MEMWORDS))) ||
           (size == BPF_B && mode == BPF_MSH);
}

static bool alu_ok(const struct sock_filter *f)
{
    switch (BPF_OP(f->code)) {
    case BPF_ADD:
    case BPF_SUB:
    case BPF_MUL:
    case BPF_OR:
    case BPF_AND:
    case BPF_XOR:
    case BPF_NEG:
        return true;
    case BPF_LSH:
    case BPF_RSH:
        return BPF_SRC(f->code) == BPF_X || f->k < 32;
    case BPF_DIV:
    case BPF_MOD:
        return BPF_SRC(f->code) == BPF_X || f->k != 0;
    default:
        return false;
    }
}

/* Jumps go forward only, so a program ends. */
static bool jump_ok(const struct sock_filter *f, unsigned left)
{
    switch (BPF_OP(f->code)) {
    case BPF_JA:
        return f->k < left;
    case BPF_JEQ:
    case BPF_JGT:
    case BPF_JGE:
    case BPF_JSET:
        return f->jt < left && f->jf < left;
    default:
        return false;
    }
}

static bool is_good(const struct sock_filter *program, unsigned len)
{
    for (unsigned i = 0; i < len; i++) {
        const struct sock_filter *f = &program[i];
        unsigned left = len - i - 1;
        bool good = false;

        if (f->code > UINT8_MAX)
            return false;
        switch (BPF_CLASS(f->code)) {
        case BPF_LD:
            good = load_ok(f);
            break;
        case BPF_LDX:
            good = loadx_ok(f);
            break;
        case BPF_ST:
        case BPF_STX:
            good = f->k < BPF_MEMWORDS;
            break;
        case BPF_ALU:
            good = alu_ok(f);
            break;
        case BPF_JMP:
            good = jump_ok(f, left);
            break;
        case BPF_RET:
            good = BPF_RVAL(f->code) == BPF_K || BPF_RVAL(f->code) == BPF_A;
            break;
        case BPF_MISC:
            good = BPF_MISCOP(f->code) == BPF_TAX || BPF_MISCOP(f->code) == BPF_TXA;
            break;
        }
        if (!good)
            return false;
    }
    return len > 0 && BPF_CLASS(program[len - 1].code) == BPF_RET;
}

/* --- options -------------------------------------------------------------------------------------- */

static int attach(struct filter *f, const void *value, socklen_t size)
{
    struct sock_filter *copy;
    struct sock_fprog prog;

    if (size != sizeof prog)
        return -EINVAL;
    memcpy(&prog, value, sizeof prog);
    if (prog.len == 0 || prog.len > BPF_MAXINSNS || !prog.filter)
        return -EINVAL;
    copy = malloc(prog.len * sizeof *copy);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, prog.filter, prog.len * sizeof *copy);
    if (!is_good(copy, prog.len)) {
        free(copy);
        return -EINVAL;
    }
    free(f->program);
    f->program = copy;
    f->len = prog.len;
    return 0;
}

int filter_setopt(struct filter *f, int name, const void *value, socklen_t size)
{
    int on;

    if (name != SO_ATTACH_FILTER && name != SO_DETACH_FILTER && name != SO_LOCK_FILTER)
        return -ENOPROTOOPT;
    if (name == SO_LOCK_FILTER) {
        if (size < sizeof on)
            return -EINVAL;
        memcpy(&on, value, sizeof on);
        if (f->locked && !on)
            return -EPERM;
        f->locked = on != 0;
        return 0;
    }
    if (f->locked)
        return -EPERM;
    if (name == SO_ATTACH_FILTER)
        return attach(f, value, size);
    if (!f->program)
        return -ENOENT;
    filter_done(f);
    return 0;
}

void filter_done(struct filter *f)
{
    free(f->program);
    f->program = NULL;
    f->len = 0;
}

/* --- running -------------------------------------------------------------------------------------- */

struct machine {
    uint32_t a, x, mem[BPF_MEMWORDS];
    const uint8_t *data;
    size_t size;
    const struct filter_about *about;
};

static bool load_at(struct machine *m, uint64_t at, unsigned size)
{
    unsigned n = size == BPF_W ? 4 : size == BPF_H ? 2 : 1;

    if (at + n > m->size)
        return false;
    m->a = n == 4   ? load_be32(m->data + at)
           : n == 2 ? load_be16(m->data + at)
                    : m->data[at];
    return true;
}

static void load_about(struct machine *m, uint32_t k)
{
    m->a = k == (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)  ? m->about->ethertype
           : k == (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE) ? m->about->pkttype
                                                          : m->about->if_index;
}

/* False: it reads behind the packet, which so is not let through. */
static bool load(struct machine *m, const struct sock_filter *f)
{
    switch (BPF_MODE(f->code)) {
    case BPF_IMM:
        m->a = f->k;
        return true;
    case BPF_LEN:
        m->a = (uint32_t)m->size;
        return true;
    case BPF_MEM:
        m->a = m->mem[f->k];
        return true;
    case BPF_IND:
        return load_at(m, (uint64_t)m->x + f->k, BPF_SIZE(f->code));
    default:
        if (!ext_known(f->k))
            return load_at(m, f->k, BPF_SIZE(f->code));
        load_about(m, f->k);
        return true;
    }
}

static bool loadx(struct machine *m, const struct sock_filter *f)
{
    switch (BPF_MODE(f->code)) {
    case BPF_IMM:
        m->x = f->k;
        return true;
    case BPF_LEN:
        m->x = (uint32_t)m->size;
        return true;
    case BPF_MEM:
        m->x = m->mem[f->k];
        return true;
    default: /* BPF_MSH: the length of an IPv4 header. */
        if (f->k >= m->size)
            return false;
        m->x = (m->data[f->k] & 0x0fu) << 2;
        return true;
    }
}

/* False: a division by zero. */
static bool compute(struct machine *m, const struct sock_filter *f)
{
    uint32_t v = BPF_SRC(f->code) == BPF_X ? m->x : f->k;

    switch (BPF_OP(f->code)) {
    case BPF_ADD:
        m->a += v;
        break;
    case BPF_SUB:
        m->a -= v;
        break;
    case BPF_MUL:
        m->a *= v;
        break;
    case BPF_OR:
        m->a |= v;
        break;
    case BPF_AND:
        m->a &= v;
        break;
    case BPF_XOR:
        m->a ^= v;
        break;
    case BPF_NEG:
        m->a = 0u - m->a;
        break;
    case BPF_LSH:
        m->a = v < 32 ? m->a << v : 0;
        break;
    case BPF_RSH:
        m->a = v < 32 ? m->a >> v : 0;
        break;
    case BPF_DIV:
    case BPF_MOD:
        if (v == 0)
            return false;
        m->a = BPF_OP(f->code) == BPF_DIV ? m->a / v : m->a % v;
        break;
    }
    return true;
}

/* How many instructions a jump passes over. */
static uint32_t jump(const struct machine *m, const struct sock_filter *f)
{
    uint32_t v = BPF_SRC(f->code) == BPF_X ? m->x : f->k;
    bool yes;

    switch (BPF_OP(f->code)) {
    case BPF_JA:
        return f->k;
    case BPF_JEQ:
        yes = m->a == v;
        break;
    case BPF_JGT:
        yes = m->a > v;
        break;
    case BPF_JGE:
        yes = m->a >= v;
        break;
    default: /* BPF_JSET */
        yes = (m->a & v) != 0;
        break;
    }
    return yes ? f->jt : f->jf;
}

size_t filter_run(const struct filter *filter, const uint8_t *data, size_t size,
                  const struct filter_about *about)
{
    struct machine m = {.data = data, .size = size, .about = about};
    bool good = true;

    if (!filter->program)
        return size;
    for (const struct sock_filter *f = filter->program; good; f++) {
        switch (BPF_CLASS(f->code)) {
        case BPF_LD:
            good = load(&m, f);
            break;
        case BPF_LDX:
            good = loadx(&m, f);
            break;
        case BPF_ST:
            m.mem[f->k] = m.a;
            break;
        case BPF_STX:
            m.mem[f->k] = m.x;
            break;
        case BPF_ALU:
            good = compute(&m, f);
            break;
        case BPF_JMP:
            f += jump(&m, f);
            break;
        case BPF_RET: {
            uint32_t n = BPF_RVAL(f->code) == BPF_A ? m.a : f->k;

            return n < size ? n : size;
        }
        case BPF_MISC:
            *(BPF_MISCOP(f->code) == BPF_TAX ? &m.x : &m.a) =
                BPF_MISCOP(f->code) == BPF_TAX ? m.a : m.x;
            break;
        }
    }
    return 0;
}
