/* A program that uses libdlm, for the scenarios: it takes a lock as libdlm's users do.
 * peer hold LOCKSPACE RESOURCE     takes it exclusively, says so, and keeps it until it is killed
 * peer try LOCKSPACE RESOURCE      exits with 0 if it got it and with 75 if another has it
 * peer count LOCKSPACE RESOURCE    adds one to the number in the resource's value, and prints it
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <libdlm.h>

static dlm_lshandle_t open_lockspace(const char *name)
{
	dlm_lshandle_t lockspace = dlm_open_lockspace(name);
	if (!lockspace)
		lockspace = dlm_create_lockspace(name, 0600);
	if (lockspace && dlm_ls_pthread_init(lockspace))
		return NULL;
	return lockspace;
}

int main(int argc, char **argv)
{
	char value[DLM_LVB_LEN] = {0};
	struct dlm_lksb lksb = {.sb_lvbptr = value};
	uint32_t flags = 0;
	uint64_t number = 0;
	dlm_lshandle_t lockspace;

	if (argc != 4)
		return 64;
	lockspace = open_lockspace(argv[2]);
	if (!lockspace) {
		perror(argv[2]);
		return 1;
	}
	if (!strcmp(argv[1], "try"))
		flags = LKF_NOQUEUE;
	if (!strcmp(argv[1], "count"))
		flags = LKF_VALBLK;
	if (dlm_ls_lock_wait(lockspace, LKM_EXMODE, &lksb, flags, argv[3], strlen(argv[3]), 0,
			     NULL, NULL, NULL)) {
		perror(argv[3]);
		return 1;
	}
	if (lksb.sb_status == EAGAIN)
		return 75;
	if (lksb.sb_status) {
		fprintf(stderr, "status %d\n", lksb.sb_status);
		return 1;
	}
	if (!strcmp(argv[1], "hold")) {
		puts("HELD");
		fflush(stdout);
		for (;;)
			pause();
	}
	if (!strcmp(argv[1], "count")) {
		memcpy(&number, value, sizeof number);
		number++;
		memcpy(value, &number, sizeof number);
		printf("holder %llu\n", (unsigned long long)number);
		/* An unlock with LKF_VALBLK would write what happens to be on the stack: libdlm
		 * 4.2.0 copies the value for requests and conversions only. */
		if (dlm_ls_lock_wait(lockspace, LKM_NLMODE, &lksb, LKF_CONVERT | LKF_VALBLK, argv[3],
				     strlen(argv[3]), 0, NULL, NULL, NULL) ||
		    lksb.sb_status) {
			perror("convert");
			return 1;
		}
	}
	if (dlm_ls_unlock_wait(lockspace, lksb.sb_lkid, 0, &lksb)) {
		perror("unlock");
		return 1;
	}
	return 0;
}
