/* A peer with libbsd's pidfile_open(3): pidfile hold|try PATH. Ends with 75, and says whose the
 * lock is, if it is held by another. */
#include <bsd/libutil.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char rest[64];
    pid_t other = 0;
    struct pidfh *file = argc == 3 ? pidfile_open(argv[2], 0644, &other) : NULL;

    if (file == NULL) {
        printf("%d, %s\n", (int)other, strerror(errno));
        return argc == 3 && errno == EEXIST ? 75 : 1;
    }
    if (pidfile_write(file) < 0)
        return 1;
    if (strcmp(argv[1], "hold") == 0 && write(1, "READY\n", 6) == 6)
        while (read(0, rest, sizeof rest) > 0)
            ;
    return pidfile_remove(file) < 0;
}
