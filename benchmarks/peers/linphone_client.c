/* Many accounts of liblinphone at the null registrar.
 *
 *     HOME=DIRECTORY/ linphone_client PORT ACCOUNTS
 *
 * It prints CPU and wall seconds from the first account added to the last one registered as two numbers. The library
 * sends whatever it wants whenever it is given a turn, so it gets turns without a pause until all is done; with that it
 * is measured at its best.
 */

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../linphone.h"

static int done;

static void changed(LinphoneCore *core, LinphoneAccount *account, LinphoneRegistrationState state, const char *text) {
	(void)core;
	(void)account;
	if (state == LinphoneRegistrationOk) done++;
	if (state != LinphoneRegistrationFailed) return;
	fprintf(stderr, "%s\n", text);
	_exit(1);
}

static void add_account(LinphoneCore *core, const char *port, int number) {
	char server[64], identity[64], user[32];
	snprintf(user, sizeof user, "user%d", number);
	snprintf(server, sizeof server, "sip:127.0.0.1:%s", port);
	snprintf(identity, sizeof identity, "sip:%s@sip.titi.com", user);
	added_account(core, server, identity, user, "secret", 3600);
}

static double cpu(void) {
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int count, char **arguments) {
	const char *directory = getenv("HOME");
	if (count != 3 || directory == NULL) return 2;
	LinphoneCore *core = started_core(directory, changed);
	if (core == NULL) {
		fputs("the core does not start\n", stderr);
		return 1;
	}
	int accounts = atoi(arguments[2]);
	double cpu_at = cpu(), wall_at = now();
	for (int number = 0; number < accounts; number++) add_account(core, arguments[1], number);
	while (done < accounts) linphone_core_iterate(core);
	printf("%.6f %.6f\n", cpu() - cpu_at, now() - wall_at);
	fflush(stdout);
	/* Without a removal: what that costs is not the question. */
	_exit(0);
}
