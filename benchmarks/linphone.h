/* A core of liblinphone and its accounts, for the programs that are compared with ours. */

#ifndef BENCHMARKS_LINPHONE_H
#define BENCHMARKS_LINPHONE_H

#include <time.h>

#include <linphone/core.h>

/* Seconds of CLOCK_MONOTONIC. */
static double now(void) {
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* A core that sends by UDP and keeps its databases in a directory, which has to end in a slash; NULL if it does not
 * start. Every new state of an account is told to `changed`. */
static LinphoneCore *started_core(const char *directory, LinphoneCoreCbsAccountRegistrationStateChangedCb changed) {
	LinphoneFactory *factory = linphone_factory_get();
	/* Its log would go to standard output. */
	linphone_logging_service_set_log_level(linphone_logging_service_get(), LinphoneLogLevelFatal);
	linphone_factory_set_config_dir(factory, directory);
	linphone_factory_set_data_dir(factory, directory);
	/* No configuration file: the defaults, and nothing is kept. */
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

/* An account that registers; NULL if an address is malformed. */
static LinphoneAccount *added_account(LinphoneCore *core, const char *server, const char *identity, const char *user,
                                      const char *password, int expires) {
	LinphoneFactory *factory = linphone_factory_get();
	LinphoneAddress *server_address = linphone_factory_create_address(factory, server);
	LinphoneAddress *identity_address = linphone_factory_create_address(factory, identity);
	if (server_address == NULL || identity_address == NULL) return NULL;

	LinphoneAuthInfo *secret = linphone_auth_info_new(user, NULL, password, NULL, NULL, NULL);
	linphone_core_add_auth_info(core, secret);
	linphone_auth_info_unref(secret);

	LinphoneAccountParams *params = linphone_account_params_new(core);
	linphone_account_params_set_identity_address(params, identity_address);
	linphone_account_params_set_server_address(params, server_address);
	linphone_account_params_set_expires(params, expires);
	linphone_account_params_set_register_enabled(params, TRUE);
	LinphoneAccount *account = linphone_account_new(core, params);
	linphone_core_add_account(core, account);
	linphone_account_params_unref(params);
	linphone_address_unref(server_address);
	linphone_address_unref(identity_address);
	return account;
}

#endif
