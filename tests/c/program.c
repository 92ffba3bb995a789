/* Every function of the library, driven by arguments and by letters on standard input:
 *
 *     program take KIND PATH [OPTION]...    holds the lock until the input ends
 *     program look KIND PATH [OPTION]...    tells who holds it
 *     program break KIND PATH [OPTION]...   removes it, if it is stale
 *     program wrong PATH                    checks that misuse is refused
 *
 * Each call's answer is a line, its code first. The exit status is the code of the last call. */
#include "lockbox.h"
#include "platform.h"

static int equal(const char *one, const char *other) {
    while (*one && *one == *other)
        one++, other++;
    return *one == *other;
}

static uint64_t number(const char *digits) {
    uint64_t value = 0;
    while (*digits >= '0' && *digits <= '9')
        value = value * 10 + (uint64_t)(*digits++ - '0');
    return value;
}

static void say_number(uint64_t value) {
    char text[21];
    char *start = text + 20;
    *start = 0;
    do
        *--start = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    say(start);
}

/* Tells what a call answered, and answers that. */
static int report(enum lockbox_code code, const struct lockbox_error *error) {
    if (code != error->code)
        say("the codes differ: ");
    say_number((uint64_t)code);
    say(" ");
    say_number((uint64_t)error->os_errno);
    say(" ");
    say(error->sentence);
    say("\n");
    return (int)code;
}

static int read_kind(const char *name, uint32_t *kind) {
    const char *known;
    for (*kind = 0; (known = lockbox_kind_name(*kind)); ++*kind)
        if (equal(known, name))
            return 1;
    return 0;
}

/* -s, -f, -F, -c: the flags; -w MS, -e: timeouts; -m TEXT; -a MS: age; -l MS: lease. */
static int read_options(struct lockbox_request *request, char **option) {
    for (; *option; option++) {
        if (equal(*option, "-s"))
            request->flags |= LOCKBOX_SHARED;
        else if (equal(*option, "-f"))
            request->flags |= LOCKBOX_FORCE;
        else if (equal(*option, "-F"))
            request->flags |= LOCKBOX_FOLLOW_SYMLINKS;
        else if (equal(*option, "-c"))
            request->flags |= LOCKBOX_CANCELLABLE;
        else if (equal(*option, "-e"))
            request->timeout_ns = LOCKBOX_FOREVER;
        else if (equal(*option, "-w") && option[1])
            request->timeout_ns = number(*++option) * 1000000;
        else if (equal(*option, "-m") && option[1])
            request->message = *++option;
        else if (equal(*option, "-a") && option[1])
            request->stale_age_ms = number(*++option);
        else if (equal(*option, "-l") && option[1])
            request->lease_ms = number(*++option);
        else
            return 0;
    }
    return 1;
}

static int release_in_child(void *lock) {
    return (int)lockbox_release(lock, 0);
}

/* Does what the letters say: shared, exclusive, refresh, token, descriptor, child. */
static int hold(struct lockbox_lock *lock) {
    struct lockbox_error error;
    uint64_t token;
    int letter;
    while ((letter = next_byte()) >= 0) {
        switch (letter) {
        case 's':
            report(lockbox_convert(lock, 1, &error), &error);
            break;
        case 'x':
            report(lockbox_convert(lock, 0, &error), &error);
            break;
        case 'r':
            report(lockbox_refresh(lock, &error), &error);
            break;
        case 't':
            token = 0;
            report(lockbox_next_token(lock, &token, &error), &error);
            say_number(token);
            say("\n");
            break;
        case 'd':
            say(lockbox_descriptor(lock) < 0 ? "no descriptor\n" : "a descriptor\n");
            break;
        case 'c':
            say_number((uint64_t)in_child(release_in_child, lock));
            say("\n");
            break;
        default:
            break;
        }
    }
    return report(lockbox_release(lock, &error), &error);
}

static int look(const struct lockbox_request *request) {
    static const char *const states[] = {"free", "held", "stale", "unknown"};
    struct lockbox_error error;
    struct lockbox_status status;
    enum lockbox_code code = lockbox_look(request, &status, &error);
    if (code != LOCKBOX_OK)
        return report(code, &error);
    say(states[status.state]);
    say(" ");
    say_number(status.pid);
    say(" ");
    say(status.host[0] ? "host" : "-");
    say(status.start_ticks ? " started" : " -");
    say(status.modified_ms > 0 ? " modified" : " -");
    say(" [");
    say(status.message);
    say("] ");
    say(status.why);
    say("\n");
    return 0;
}

/* How many misuses were not refused as they should be. */
static int misuse(const char *path) {
    static struct lockbox_lock lock, other;
    static struct lockbox_lock garbage = {{1}};
    static const char *const no_sentence = "no such code";
    struct lockbox_error error;
    struct lockbox_status status;
    struct lockbox_request request = {0};
    uint64_t token = 7;
    uint32_t code;
    int failures = 0;
#define EXPECT(code, call) \
    do { \
        if ((call) != (code)) { \
            failures++; \
            say(#call "\n"); \
        } \
    } while (0)
    EXPECT(LOCKBOX_WRONG_ARGUMENT, lockbox_take(0, &request, &error));
    EXPECT(LOCKBOX_WRONG_ARGUMENT, lockbox_take(&lock, 0, &error));
    EXPECT(LOCKBOX_WRONG_ARGUMENT, lockbox_take(&lock, &request, &error));
    EXPECT(1, equal(error.sentence, "the path is null"));
    EXPECT(0, error.os_errno);
    request.path = path;
    request.kind = 77;
    EXPECT(LOCKBOX_WRONG_ARGUMENT, lockbox_take(&lock, &request, 0));
    EXPECT(LOCKBOX_WRONG_ARGUMENT, lockbox_look(&request, &status, 0));
    EXPECT(LOCKBOX_WRONG_ARGUMENT, lockbox_break(&request, 0));
    request.kind = LOCKBOX_KIND_FLOCK;
    EXPECT(LOCKBOX_WRONG_ARGUMENT, lockbox_look(&request, 0, 0));
    EXPECT(LOCKBOX_WRONG_ARGUMENT, lockbox_look(0, &status, 0));
    EXPECT(LOCKBOX_UNSUPPORTED, lockbox_break(&request, 0));
    request.message = "words";
    EXPECT(LOCKBOX_WRONG_ARGUMENT, lockbox_take(&lock, &request, 0));
    request.message = 0;
    request.flags = LOCKBOX_CANCELLABLE;
    request.cancel_fd = -1;
    EXPECT(LOCKBOX_WRONG_ARGUMENT, lockbox_take(&lock, &request, 0));
    request.flags = 0;

    EXPECT(LOCKBOX_WRONG_LOCK, lockbox_release(&lock, 0));
    EXPECT(LOCKBOX_WRONG_LOCK, lockbox_convert(&lock, 1, 0));
    EXPECT(LOCKBOX_WRONG_LOCK, lockbox_refresh(&lock, 0));
    EXPECT(LOCKBOX_WRONG_LOCK, lockbox_next_token(&lock, &token, 0));
    EXPECT(LOCKBOX_WRONG_LOCK, lockbox_take(&garbage, &request, 0));
    EXPECT(LOCKBOX_WRONG_LOCK, lockbox_release(&garbage, 0));
    EXPECT(LOCKBOX_WRONG_ARGUMENT, lockbox_release(0, 0));
    EXPECT(LOCKBOX_WRONG_ARGUMENT, lockbox_convert(0, 1, 0));
    EXPECT(LOCKBOX_WRONG_ARGUMENT, lockbox_refresh(0, 0));
    EXPECT(-1, lockbox_descriptor(0));
    EXPECT(-1, lockbox_descriptor(&lock));

    /* Nothing of all that has made the lock's file. */
    EXPECT(LOCKBOX_OK, lockbox_look(&request, &status, &error));
    EXPECT(LOCKBOX_STATE_FREE, status.state);

    EXPECT(LOCKBOX_OK, lockbox_take(&lock, &request, &error));
    EXPECT(1, equal(error.sentence, "done"));
    EXPECT(LOCKBOX_WRONG_LOCK, lockbox_take(&lock, &request, 0));
    EXPECT(LOCKBOX_HELD_BY_THIS_PROCESS, lockbox_take(&other, &request, 0));
    EXPECT(LOCKBOX_WRONG_ARGUMENT, lockbox_next_token(&lock, 0, 0));
    EXPECT(7, token);
    EXPECT(LOCKBOX_OK, lockbox_release(&lock, 0));
    EXPECT(LOCKBOX_WRONG_LOCK, lockbox_release(&lock, 0));

    for (code = 0; !equal(lockbox_sentence(code), no_sentence); code++)
        ;
    EXPECT(LOCKBOX_FAILED + 1, (int)code);
    EXPECT(0, lockbox_kind_name(LOCKBOX_KIND_PIDFILE + 1) != 0);
    return failures;
}

int program(int argc, char **argv) {
    static struct lockbox_lock lock;
    struct lockbox_error error;
    struct lockbox_request request = {0};
    enum lockbox_code code;
    if (argc == 3 && equal(argv[1], "wrong"))
        return misuse(argv[2]);
    if (argc < 4 || !read_kind(argv[2], &request.kind) || !read_options(&request, argv + 4)) {
        say("wrong usage\n");
        return 98;
    }
    request.path = argv[3];
    if (equal(argv[1], "look"))
        return look(&request);
    if (equal(argv[1], "break"))
        return report(lockbox_break(&request, &error), &error);
    code = lockbox_take(&lock, &request, &error);
    report(code, &error);
    return code == LOCKBOX_OK ? hold(&lock) : (int)code;
}
