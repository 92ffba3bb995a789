/* The least that runs a command under a lock on Linux x86-64: `least PATH COMMAND [ARGUMENT]...`.
 * No options, no messages, no libc: what flock(1) cannot go below. With -DNOTHING a program that
 * ends at once. gcc -O2 -static -nostdlib -ffreestanding. */

static long call(long number, long one, long two, long three, long four)
{
	register long fourth __asm__("r10") = four;
	long answer;

	__asm__ volatile("syscall"
			 : "=a"(answer)
			 : "a"(number), "D"(one), "S"(two), "d"(three), "r"(fourth)
			 : "rcx", "r11", "memory");
	return answer;
}

enum { OPEN = 2, FORK = 57, EXECVE = 59, EXIT = 60, WAIT4 = 61, FLOCK = 73 };
enum { WRITABLE_MADE_KEPT_HERE = 2 | 0100 | 02000000, EXCLUSIVE = 2 };

/* Entered by `_start` with the stack as the kernel left it: the count, arguments, environment. */
__attribute__((noreturn, used)) void run(long *stack)
{
	long status = 0;
#ifndef NOTHING
	long count = stack[0];
	char **args = (char **)(stack + 1);
	long file, child;

	if (count < 3)
		call(EXIT, 64, 0, 0, 0);
	file = call(OPEN, (long)args[1], WRITABLE_MADE_KEPT_HERE, 0666, 0);
	if (file < 0 || call(FLOCK, file, EXCLUSIVE, 0, 0) < 0)
		call(EXIT, 66, 0, 0, 0);
	child = call(FORK, 0, 0, 0, 0);
	if (child == 0) {
		call(EXECVE, (long)args[2], (long)(args + 2), (long)(args + count + 1), 0);
		call(EXIT, 127, 0, 0, 0);
	}
	if (child < 0 || call(WAIT4, child, (long)&status, 0, 0) < 0)
		call(EXIT, 71, 0, 0, 0);
	status = (status & 127) ? 128 + (status & 127) : (status >> 8 & 255);
#endif
	(void)stack;
	for (;;)
		call(EXIT, status, 0, 0, 0);
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall run\n");
