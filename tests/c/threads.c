/* Threads of one process and one lock that belongs to the process: one thread at a time has it.
 *
 *     threads PATH
 */
#include "lockbox.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

enum { THREADS = 4, ROUNDS = 500 };

static const char *path;
/* Not atomic: the lock alone keeps its sum right. */
static volatile long count;

static void *work(void *unused) {
    struct lockbox_lock lock = {{0}};
    struct lockbox_request request = {0};
    long round = 0;
    (void)unused;
    request.path = path;
    while (round < ROUNDS) {
        struct lockbox_error error;
        request.kind = LOCKBOX_KIND_LOCKF;
        switch (lockbox_take(&lock, &request, &error)) {
        case LOCKBOX_OK:
            count = count + 1;
            round++;
            if (lockbox_release(&lock, &error) == LOCKBOX_OK)
                break;
            /* fall through */
        default:
            fprintf(stderr, "%s\n", error.sentence);
            return (void *)1;
        case LOCKBOX_HELD_BY_THIS_PROCESS:
            sched_yield();
        }
    }
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t threads[THREADS];
    int failures = argc != 2, at;
    path = argv[argc - 1];
    for (at = 0; at < THREADS; at++)
        failures += pthread_create(&threads[at], NULL, work, NULL) != 0;
    for (at = 0; at < THREADS; at++) {
        void *failed;
        failures += pthread_join(threads[at], &failed) != 0 || failed;
    }
    printf("%ld\n", count);
    return failures || count != (long)THREADS * ROUNDS;
}
