/* Many accounts of libre, the library of baresip, at the null registrar.
 *
 *     libre_client PORT ACCOUNTS
 *
 * It prints CPU and wall seconds from the first REGISTER to the last 200 as two numbers. Accounts begin one after the
 * other, so many at once as the window of all clients in this comparison.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* The header asks for what re.mk would have found out. */
#define HAVE_INTTYPES_H 1
#define HAVE_STDBOOL_H 1
#define HAVE_INET6 1
#include <re.h>

#define WINDOW 64
/* The size that baresip gives its tables; the library wants powers of two. */
#define BUCKETS 16

static struct sip *sip;
static struct sipreg **registrations;
static char registrar[64];
static int accounts, begun, done;

static int answer(char **username, char **password, const char *realm, void *arg) {
	(void)realm;
	int err = re_sdprintf(username, "user%d", (int)(intptr_t)arg);
	return err != 0 ? err : str_dup(password, "secret");
}

static void begin(void);

static void responded(int err, const struct sip_msg *msg, void *arg) {
	(void)arg;
	if (err != 0 || msg->scode >= 300) {
		fprintf(stderr, "%s\n", err != 0 ? strerror(err) : "refused");
		exit(1);
	}
	if (msg->scode < 200) return;
	if (++done == accounts)
		re_cancel();
	else if (begun < accounts)
		begin();
}

static void begin(void) {
	char identity[64], user[32];
	int number = begun++;
	snprintf(identity, sizeof identity, "sip:user%d@sip.titi.com", number);
	snprintf(user, sizeof user, "user%d", number);
	int err = sipreg_register(&registrations[number], sip, registrar, identity, NULL, identity, 3600, user, NULL, 0, 0,
	                          answer, (void *)(intptr_t)number, false, responded, NULL, NULL, NULL);
	if (err != 0) {
		fprintf(stderr, "%s\n", strerror(err));
		exit(1);
	}
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
	if (count != 3) return 2;
	struct sa here;
	struct dnsc *dns = NULL;
	accounts = atoi(arguments[2]);
	snprintf(registrar, sizeof registrar, "sip:127.0.0.1:%s", arguments[1]);
	registrations = calloc((size_t)accounts, sizeof *registrations);
	if (registrations == NULL || libre_init() != 0 || sa_set_str(&here, "127.0.0.1", 0) != 0 ||
	    dnsc_alloc(&dns, NULL, &here, 1) != 0 ||
	    sip_alloc(&sip, dns, BUCKETS, BUCKETS, BUCKETS, "libre", NULL, NULL) != 0 ||
	    sip_transp_add(sip, SIP_TRANSP_UDP, &here) != 0) {
		fputs("libre does not start\n", stderr);
		return 1;
	}
	double cpu_at = cpu(), wall_at = wall();
	while (begun < accounts && begun < WINDOW) begin();
	int err = re_main(NULL);
	printf("%.6f %.6f\n", cpu() - cpu_at, wall() - wall_at);
	return err;
}
