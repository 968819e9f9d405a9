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
#include <time.h>
#include <unistd.h>

#include <linphone/core.h>

static int done;

static void changed(LinphoneCore *core, LinphoneAccount *account, LinphoneRegistrationState state, const char *text) {
	(void)core;
	(void)account;
	if (state == LinphoneRegistrationOk) done++;
	if (state != LinphoneRegistrationFailed) return;
	fprintf(stderr, "%s\n", text);
	_exit(1);
}

static LinphoneCore *started_core(const char *directory) {
	LinphoneFactory *factory = linphone_factory_get();
	/* Its log would go to standard output. */
	linphone_logging_service_set_log_level(linphone_logging_service_get(), LinphoneLogLevelFatal);
	linphone_factory_set_config_dir(factory, directory);
	linphone_factory_set_data_dir(factory, directory);
	LinphoneCore *core = linphone_factory_create_core_3(factory, NULL, NULL, NULL);
	/* A machine without a route to the Internet has a loopback too. */
	linphone_config_set_int(linphone_core_get_config(core), "sip", "auto_net_state_mon", 0);
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

static void add_account(LinphoneCore *core, const char *port, int number) {
	LinphoneFactory *factory = linphone_factory_get();
	char text[64], user[32];
	snprintf(user, sizeof user, "user%d", number);
	LinphoneAuthInfo *secret = linphone_auth_info_new(user, NULL, "secret", NULL, NULL, NULL);
	linphone_core_add_auth_info(core, secret);
	linphone_auth_info_unref(secret);

	snprintf(text, sizeof text, "sip:127.0.0.1:%s", port);
	LinphoneAddress *server = linphone_factory_create_address(factory, text);
	snprintf(text, sizeof text, "sip:%s@sip.titi.com", user);
	LinphoneAddress *identity = linphone_factory_create_address(factory, text);
	LinphoneAccountParams *params = linphone_account_params_new(core);
	linphone_account_params_set_identity_address(params, identity);
	linphone_account_params_set_server_address(params, server);
	linphone_account_params_set_register_enabled(params, TRUE);
	LinphoneAccount *account = linphone_account_new(core, params);
	linphone_core_add_account(core, account);
	linphone_account_params_unref(params);
	linphone_address_unref(server);
	linphone_address_unref(identity);
}

static double cpu(void) {
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double wall(void) {
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

int main(int count, char **arguments) {
	const char *directory = getenv("HOME");
	if (count != 3 || directory == NULL) return 2;
	LinphoneCore *core = started_core(directory);
	if (core == NULL) {
		fputs("the core does not start\n", stderr);
		return 1;
	}
	int accounts = atoi(arguments[2]);
	double cpu_at = cpu(), wall_at = wall();
	for (int number = 0; number < accounts; number++) add_account(core, arguments[1], number);
	while (done < accounts) linphone_core_iterate(core);
	printf("%.6f %.6f\n", cpu() - cpu_at, wall() - wall_at);
	fflush(stdout);
	/* Without a removal: what that costs is not the question. */
	_exit(0);
}
