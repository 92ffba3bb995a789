/* What the programs here need of a system: hosted.c has it by libc, bare.c without. */
#ifndef PLATFORM_H
#define PLATFORM_H

/* The program: answers its exit status. */
int program(int argc, char **argv);

/* Writes a string to standard output, all of it. */
void say(const char *text);

/* The next byte of standard input; -1 at its end. */
int next_byte(void);

/* Runs work in a forked child, and answers its exit status. */
int in_child(int (*work)(void *), void *argument);

#endif
