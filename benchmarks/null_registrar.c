/* The null registrar in C: the same answers as null_registrar.py, at a small part of its cost.
 *
 *     null_registrar CPU CHALLENGED NONCE CHALLENGED_END GRANTED GRANTED_END TAG
 *
 * The texts of the answers come from null_registrar.py as arguments; CPU is -1 for any. It prints its port on 127.0.0.1,
 * for every line on standard input how often it has agreed, and ends when standard input does. Datagrams are taken and sent by the batch, so that it is never this side that is
 * waited for. Only what every client writes is understood: one row a line, long and compact names in any case.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 64
#define SIZE 4096
#define BUFFER (1 << 24)

/* As in null_registrar.py: so much of the end of the top Via makes each nonce another one. */
#define OWN_PART 16

enum { VIA, FROM, TO, CALL_ID, CSEQ, CONTACT, AUTHORIZATION, KINDS };
static const char *const names[] = {"via", "from", "to", "call-id", "cseq", "contact", "authorization"};
static const char *const compact[] = {"v", "f", "t", "i", "", "m", ""};

typedef struct {
	const char *text;
	size_t length;
} Row;

static const char *challenged, *nonce, *challenged_end, *granted, *granted_end, *tag;
static long grants;

/* Writes behind what is there; what has no room is cut, and the client will complain. */
typedef struct {
	char *text;
	size_t length;
} Answer;

static void put(Answer *answer, const char *text, size_t length) {
	if (answer->length + length > SIZE) length = SIZE - answer->length;
	memcpy(answer->text + answer->length, text, length);
	answer->length += length;
}

static void put_text(Answer *answer, const char *text) { put(answer, text, strlen(text)); }

static void put_row(Answer *answer, const Row *row, const char *more) {
	put(answer, row->text, row->length);
	put_text(answer, more);
	put(answer, "\r\n", 2);
}

static int kind_of(const char *line, size_t length) {
	size_t name = strcspn(line, ": \r");
	for (int kind = 0; kind < KINDS; kind++) {
		if (name > length || name == 0) break;
		if (name == strlen(names[kind]) && strncasecmp(line, names[kind], name) == 0) return kind;
		if (name == strlen(compact[kind]) && strncasecmp(line, compact[kind], name) == 0) return kind;
	}
	return KINDS;
}

static void put_via(Answer *answer, const Row *via, const char *seen) {
	const char *rport = memmem(via->text, via->length, ";rport", 6);
	size_t before = rport == NULL ? via->length : (size_t)(rport - via->text);
	put(answer, via->text, before);
	if (rport != NULL) {
		put_text(answer, seen);
		put(answer, rport + 6, via->length - before - 6);
	}
	put(answer, "\r\n", 2);
}

static int has_tag(const Row *row) {
	const char *bracket = memchr(row->text, '>', row->length);
	const char *start = bracket == NULL ? row->text : bracket;
	return memmem(start, row->length - (size_t)(start - row->text), ";tag=", 5) != NULL;
}

/* request ends with a zero octet. */
static void answer_register(Answer *answer, const char *request, size_t length, const char *seen) {
	Row rows[KINDS] = {{NULL, 0}};
	const char *end = request + length;
	for (const char *line = request; line < end;) {
		const char *stop = memchr(line, '\r', (size_t)(end - line));
		if (stop == NULL || stop == line) break;
		int kind = kind_of(line, (size_t)(stop - line));
		if (kind < KINDS && rows[kind].text == NULL) rows[kind] = (Row){line, (size_t)(stop - line)};
		line = stop + 2;
	}
	for (int kind = VIA; kind <= CSEQ; kind++) {
		if (rows[kind].text == NULL) return;
	}
	int agreed = rows[AUTHORIZATION].text != NULL;
	put_text(answer, agreed ? granted : challenged);
	put_via(answer, &rows[VIA], seen);
	put_row(answer, &rows[FROM], "");
	put_row(answer, &rows[TO], has_tag(&rows[TO]) ? "" : tag);
	put_row(answer, &rows[CALL_ID], "");
	put_row(answer, &rows[CSEQ], "");
	if (agreed && rows[CONTACT].text != NULL) put_row(answer, &rows[CONTACT], "");
	if (!agreed) {
		put_text(answer, nonce);
		size_t own = rows[VIA].length < OWN_PART ? rows[VIA].length : OWN_PART;
		put(answer, rows[VIA].text + rows[VIA].length - own, own);
	}
	put_text(answer, agreed ? granted_end : challenged_end);
	grants += agreed;
}

static int bound_socket(struct sockaddr_in *here) {
	int sock = socket(AF_INET, SOCK_DGRAM, 0);
	int size = BUFFER;
	/* What arrives while it is not its turn on the CPU must not be lost: the clients would send it again. */
	if (setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
		setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	*here = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof *here;
	if (sock < 0 || bind(sock, (struct sockaddr *)here, length) != 0 ||
	    getsockname(sock, (struct sockaddr *)here, &length) != 0) {
		perror("null_registrar");
		exit(1);
	}
	return sock;
}

static void serve(int sock) {
	static char requests[BATCH][SIZE + 1], answers[BATCH][SIZE];
	struct sockaddr_in sources[BATCH];
	struct iovec taken[BATCH], sent[BATCH];
	struct mmsghdr in[BATCH], out[BATCH];
	memset(in, 0, sizeof in);
	memset(out, 0, sizeof out);
	for (int place = 0; place < BATCH; place++) {
		taken[place] = (struct iovec){requests[place], SIZE};
		in[place].msg_hdr = (struct msghdr){.msg_name = &sources[place], .msg_iov = &taken[place], .msg_iovlen = 1};
	}
	struct pollfd watched[] = {{.fd = sock, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	while (poll(watched, 2, -1) >= 0) {
		if (watched[1].revents != 0) {
			char line[64];
			if (read(STDIN_FILENO, line, sizeof line) <= 0) return;
			printf("%ld\n", grants);
			fflush(stdout);
		}
		for (int place = 0; place < BATCH; place++) in[place].msg_hdr.msg_namelen = sizeof sources[0];
		int count = recvmmsg(sock, in, BATCH, MSG_DONTWAIT, NULL), ready = 0;
		for (int place = 0; place < count; place++) {
			size_t length = in[place].msg_len;
			char *request = requests[place], seen[64];
			Answer answer = {answers[ready], 0};
			request[length] = 0;
			if (strncmp(request, "REGISTER ", 9) == 0) {
				snprintf(seen, sizeof seen, ";received=%s;rport=%d", inet_ntoa(sources[place].sin_addr),
				         ntohs(sources[place].sin_port));
				answer_register(&answer, request, length, seen);
			} else {
				put(&answer, request, length);
			}
			if (answer.length == 0) continue;
			sent[ready] = (struct iovec){answers[ready], answer.length};
			out[ready].msg_hdr = (struct msghdr){.msg_name = &sources[place], .msg_namelen = sizeof sources[0],
			                                     .msg_iov = &sent[ready], .msg_iovlen = 1};
			ready++;
		}
		for (int done = 0, more = 1; done < ready && more > 0; done += more)
			more = sendmmsg(sock, out + done, (unsigned)(ready - done), 0);
	}
}

static void bind_to(int cpu) {
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	CPU_SET((size_t)cpu, &cpus);
	sched_setaffinity(0, sizeof cpus, &cpus);
}

int main(int count, char **arguments) {
	if (count != 8) return 2;
	if (atoi(arguments[1]) >= 0) bind_to(atoi(arguments[1]));
	challenged = arguments[2], nonce = arguments[3], challenged_end = arguments[4];
	granted = arguments[5], granted_end = arguments[6];
	tag = arguments[7];
	struct sockaddr_in here;
	int sock = bound_socket(&here);
	printf("%d\n", ntohs(here.sin_port));
	fflush(stdout);
	serve(sock);
	return 0;
}
