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
#include <time.h>
#include <unistd.h>

#include <linphone/core.h>

/* The library asks for a turn every 20 ms; half of that keeps its clock from showing in the figures. */
#define TURN_MS 10

static double now(void) {
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

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

static LinphoneCore *started_core(const char *directory) {
	LinphoneFactory *factory = linphone_factory_get();
	/* Its log would go to standard output. */
	linphone_logging_service_set_log_level(linphone_logging_service_get(), LinphoneLogLevelFatal);
	linphone_factory_set_config_dir(factory, directory);
	linphone_factory_set_data_dir(factory, directory);
	/* No configuration file: the defaults, and nothing is kept. */
	LinphoneCore *core = linphone_factory_create_core_3(factory, NULL, NULL, NULL);
	LinphoneConfig *config = linphone_core_get_config(core);
	/* A machine without a route to the Internet has a loopback too. */
	linphone_config_set_int(config, "sip", "auto_net_state_mon", 0);
	linphone_core_set_use_files(core, TRUE); /* no sound card */
	linphone_core_enable_ipv6(core, FALSE);

	LinphoneTransports *transports = linphone_factory_create_transports(factory);
	linphone_transports_set_udp_port(transports, LC_SIP_TRANSPORT_RANDOM);
	linphone_transports_set_tcp_port(transports, LC_SIP_TRANSPORT_DISABLED);
	linphone_transports_set_tls_port(transports, LC_SIP_TRANSPORT_DISABLED);
	linphone_transports_set_dtls_port(transports, LC_SIP_TRANSPORT_DISABLED);
	linphone_core_set_transports(core, transports);
	linphone_transports_unref(transports);

	LinphoneCoreCbs *callbacks = linphone_factory_create_core_cbs(factory);
	linphone_core_cbs_set_account_registration_state_changed(callbacks, changed);
	linphone_core_add_callbacks(core, callbacks);
	linphone_core_cbs_unref(callbacks);

	if (linphone_core_start(core) != 0) return NULL;
	linphone_core_set_network_reachable(core, TRUE);
	return core;
}

static LinphoneAccount *registering(LinphoneCore *core, char **arguments) {
	LinphoneFactory *factory = linphone_factory_get();
	LinphoneAddress *server = linphone_factory_create_address(factory, arguments[1]);
	LinphoneAddress *identity = linphone_factory_create_address(factory, arguments[2]);
	if (server == NULL || identity == NULL) return NULL;

	LinphoneAuthInfo *secret =
	    linphone_auth_info_new(arguments[3], NULL, getenv("SIP_PASSWORD"), NULL, NULL, NULL);
	linphone_core_add_auth_info(core, secret);
	linphone_auth_info_unref(secret);

	LinphoneAccountParams *params = linphone_account_params_new(core);
	linphone_account_params_set_identity_address(params, identity);
	linphone_account_params_set_server_address(params, server);
	linphone_account_params_set_expires(params, atoi(arguments[4]));
	linphone_account_params_set_register_enabled(params, TRUE);
	LinphoneAccount *account = linphone_account_new(core, params);
	linphone_core_add_account(core, account);
	linphone_account_params_unref(params);
	linphone_address_unref(server);
	linphone_address_unref(identity);
	return account;
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
	LinphoneCore *core = started_core(directory);
	if (core == NULL) {
		fputs("the core does not start\n", stderr);
		return 1;
	}
	printf("{\"at\": %.6f, \"client\": \"liblinphone %s\"}\n", now(), linphone_core_get_version());
	LinphoneAccount *account = registering(core, arguments);
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
