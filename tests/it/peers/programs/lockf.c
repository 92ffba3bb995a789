/* A peer with lockf(3): lockf hold|try PATH. Ends with 75 if the lock is held by another. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char rest[64];
    int fd = argc == 3 ? open(argv[2], O_RDWR | O_CREAT, 0664) : -1;

    if (fd < 0)
        return 1;
    if (lockf(fd, F_TLOCK, 0) < 0)
        return errno == EAGAIN || errno == EACCES ? 75 : 1;
    if (strcmp(argv[1], "hold") == 0 && write(1, "READY\n", 6) == 6)
        while (read(0, rest, sizeof rest) > 0)
            ;
    return 0;
}
