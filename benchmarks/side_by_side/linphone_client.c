/* One account of liblinphone: the counterpart of client.py, and used in the same way.
 *
 *     linphone_client SERVER IDENTITY USER EXPIRES
 *
 * In the environment are the password as SIP_PASSWORD and, as HOME, a directory for its databases, with a slash at the
 * end because the library appends its file names to it.
 *
 * It writes a line of JSON when it begins and for every state of the account, with the time of CLOCK_MONOTONIC. The
 * word "unregister" on standard input switches registration off; the end of standard input ends it without a removal.
 * Everything that decides about retries is left at the defaults of the library.
 */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../linphone.h"

/* The library asks for a turn every 20 ms; half of that keeps its clock from showing in the figures. */
#define TURN_MS 10

static const char *short_name(const char *name, const char *prefix) {
	size_t length = strlen(prefix);
	return strncmp(name, prefix, length) == 0 ? name + length : name;
}

static void changed(LinphoneCore *core, LinphoneAccount *account, LinphoneRegistrationState state, const char *text) {
	(void)core;
	(void)text;
	printf("{\"at\": %.6f, \"state\": \"%s\", \"reason\": \"%s\"}\n", now(),
	       short_name(linphone_registration_state_to_string(state), "LinphoneRegistration"),
	       short_name(linphone_reason_to_string(linphone_account_get_error(account)), "LinphoneReason"));
}

static void unregister(LinphoneAccount *account) {
	LinphoneAccountParams *params = linphone_account_params_clone(linphone_account_get_params(account));
	linphone_account_params_set_register_enabled(params, FALSE);
	linphone_account_set_params(account, params);
	linphone_account_params_unref(params);
}

int main(int count, char **arguments) {
	const char *directory = getenv("HOME");
	if (count != 5 || directory == NULL) {
		fputs("usage: HOME=DIRECTORY/ linphone_client SERVER IDENTITY USER EXPIRES\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	LinphoneCore *core = started_core(directory, changed);
	if (core == NULL) {
		fputs("the core does not start\n", stderr);
		return 1;
	}
	printf("{\"at\": %.6f, \"client\": \"liblinphone %s\"}\n", now(), linphone_core_get_version());
	LinphoneAccount *account = added_account(core, arguments[1], arguments[2], arguments[3], getenv("SIP_PASSWORD"),
	                                         atoi(arguments[4]));
	if (account == NULL) {
		fputs("a malformed address\n", stderr);
		return 1;
	}
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char words[64];
	for (;;) {
		linphone_core_iterate(core);
		if (poll(&input, 1, TURN_MS) <= 0) continue;
		/* What is still registered stays so: the other side has seen enough. */
		if (read(STDIN_FILENO, words, sizeof words) <= 0) _exit(0);
		unregister(account);
	}
}
