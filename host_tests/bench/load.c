/* UDP load for the bench: keeps W datagrams in flight through the node under test and prints what came back as one line
 * of JSON. It has to be much faster than what it measures, hence C; `reflect` and `forward` are the jobs of the bare
 * MicroPython loops, so that the bench can say how high its ceiling is.
 *
 *   load server  -a ADDRESS -p PORT [-u PATH | -e]   GET requests, answers counted; -e: a bare loop echoes them
 *   load server  -a ADDRESS -p PORT -f FILE          requests that were protected before, each sent once, in this order
 *   load relay   -a PROXY -p PORT -g GROUP -l CLIENT -s SERVERS [-u PATH]
 *                client and servers of one group request through a proxy, relayed responses counted
 *   load relay   -e -a ADDRESS -p PORT -l CLIENT -q CLIENT_PORT -s SERVERS     the same around a bare forwarding loop
 *   load reflect -a ADDRESS -p PORT                  sends every datagram back, until killed
 *   load forward -a ADDRESS -p PORT -l CLIENT -q CLIENT_PORT    sends every datagram on to the client, until killed
 *
 * In common: -w in flight, -d seconds counted, -c CPU to stay on, -b (block while nothing has come, don't spin).
 *
 * One engine serves `server` and `relay`: a slot is one datagram in flight, and its cookie (slot, use count) comes back
 * as the token of an answer or in the payload of a relayed response. A slot without an answer after 100 ms is lost and
 * used again. No endpoint uses a Message ID twice (RFC 7252, section 4.4): with its 65,536 spent, a client goes on from
 * a new port, and a server leaves and one with the next address takes its place. */
#define _GNU_SOURCE /* sched_setaffinity */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SLOTS = 256 /* a cookie has 8 bits for it */, SERVERS = 6, LOST_NS = 100000000, WARM_UP_NS = 100000000 };
enum { NON = 0x50, GET = 0x01, CHANGED = 0x44, CONTENT = 0x45, URI_PATH = 11, PROXY_URI = 35, TIMEOUT = 2, REPLY_FROM = 248 };

typedef struct sockaddr_in endpoint;
typedef struct { uint32_t cookie; int64_t sent; } slot;

/* An endpoint that sends: its socket, and how many Message IDs it has used. `old` takes what is still under way. */
typedef struct { int fd, old; uint32_t used; } sender;

static slot slots[MAX_SLOTS];
static sender senders[SERVERS];
static int client_fd;                                      /* relay: where relayed responses arrive */
static endpoint target, local = { .sin_family = AF_INET }; /* where load goes; where the next sender binds */
static uint8_t datagram[512];                              /* what is sent; the engine fills in Message ID and cookie */
static size_t datagram_size, cookie_at;
static uint8_t expected_token[8], expected_token_size;     /* relay: of the client's own request */
static int bare, is_relay, need_reply_from;
static FILE *requests;                                     /* protected ones: their length in two bytes, then they */
static int spent;                                          /* has each of them been sent? */
static int64_t answers, lost, late, bad, sent_count;       /* late: after it was given up, or a second time */

static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "load: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static endpoint address(const char *text, int port) {
    endpoint e = { .sin_family = AF_INET, .sin_port = htons(port) };
    if (!text || inet_pton(AF_INET, text, &e.sin_addr) != 1) die("%s is not an IPv4 address", text ? text : "(none)");
    return e;
}

static int udp(endpoint bind_to) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1, room = 1 << 20;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(fd, (struct sockaddr *)&bind_to, sizeof bind_to) < 0)
        die("cannot bind %s: %s", inet_ntoa(bind_to.sin_addr), strerror(errno));
    return fd;
}

static int connected(endpoint from, endpoint to) {
    int fd = udp(from);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        die("cannot reach %s: %s", inet_ntoa(to.sin_addr), strerror(errno));
    return fd;
}

static int readable(int fd, int ms) {
    struct pollfd p = { fd, POLLIN, 0 };
    return poll(&p, 1, ms) > 0;
}

/* ---- CoAP: just enough of it ---- */

static uint8_t *option(uint8_t *at, int *previous, int number, const void *value, int size) {
    int delta = number - *previous; /* all deltas here are < 269, all sizes < 269 */
    uint8_t *head = at++;
    *head = (delta < 13 ? delta : 13) << 4 | (size < 13 ? size : 13);
    if (delta >= 13) *at++ = delta - 13;
    if (size >= 13) *at++ = size - 13;
    if (size) memcpy(at, value, size);
    *previous = number;
    return at + size;
}

static uint8_t *path_options(uint8_t *at, int *previous, const char *path) {
    while (*path) {
        int size = strcspn(path, "/");
        if (size) at = option(at, previous, URI_PATH, path, size);
        path += size + (path[size] == '/');
    }
    return at;
}

/* The payload of a message, or NULL if it is not well-formed; *reply_from tells whether option 248 is there. */
static const uint8_t *payload(const uint8_t *at, const uint8_t *end, int *reply_from) {
    int number = 0;
    while (at < end && *at != 0xff) {
        int field[2] = { *at >> 4, *at & 15 };
        at++;
        for (int i = 0; i < 2; i++) {
            int more = field[i] == 13 ? 1 : field[i] == 14 ? 2 : 0;
            if (field[i] == 15 || end - at < more) return NULL;
            if (more) field[i] = more == 1 ? 13 + at[0] : 269 + (at[0] << 8 | at[1]);
            at += more;
        }
        number += field[0];
        if (end - at < field[1]) return NULL;
        if (number == REPLY_FROM && field[1] >= 5) *reply_from = 1;
        at += field[1];
    }
    return at < end - 1 ? at + 1 : NULL;
}

/* ---- the engine ---- */

static void open_sender(sender *s) {
    if (s->old > 0) close(s->old);
    s->old = s->fd;
    s->fd = connected(local, target);
    s->used = 0;
    if (is_relay) local.sin_addr.s_addr = htonl(ntohl(local.sin_addr.s_addr) + 1);
}

static void transmit(int i) {
    static unsigned turn;
    sender *s = &senders[is_relay ? turn++ % SERVERS : 0];
    if (s->used == 0x10000) open_sender(s);
    slots[i].cookie = (uint32_t)i << 24 | ((slots[i].cookie + 1) & 0xffffff);
    slots[i].sent = now_ns();
    if (requests) {
        uint8_t size[2];
        spent = fread(size, 1, 2, requests) < 2;
        if (spent) return;
        datagram_size = size[0] << 8 | size[1];
        if (datagram_size > sizeof datagram || fread(datagram, 1, datagram_size, requests) < datagram_size)
            die("a request of %zu bytes", datagram_size);
    }
    datagram[2] = s->used >> 8;
    datagram[3] = s->used++;
    memcpy(datagram + cookie_at, &slots[i].cookie, 4);
    if (send(s->fd, datagram, datagram_size, MSG_DONTWAIT) == (ssize_t)datagram_size) sent_count++;
}

enum { WRONG = -1, LATE = -2 };

/* What an arrived datagram answers: its slot, WRONG if it is not what it should be, LATE if its slot has gone on. */
static int slot_of(const uint8_t *m, ssize_t size) {
    uint32_t cookie;
    int reply_from = 0;
    const uint8_t *found = m + 4;
    int answer_code = bare && !is_relay ? GET : requests ? CHANGED : CONTENT;
    if (size < 9 || (m[0] & 0xf0) != NON || m[1] != answer_code) return WRONG;
    if (is_relay) {
        if ((m[0] & 15) != expected_token_size || memcmp(m + 4, expected_token, expected_token_size)) return WRONG;
        found = payload(m + 4 + expected_token_size, m + size, &reply_from);
        if (!found || m + size - found < 4 || (need_reply_from && !reply_from)) return WRONG;
    } else if ((m[0] & 15) != 4) {
        return WRONG;
    }
    memcpy(&cookie, found, 4);
    int i = cookie >> 24;
    if (!slots[i].sent) return WRONG;
    return slots[i].cookie == cookie ? i : LATE;
}

static void receive(int fd) {
    uint8_t m[2048];
    for (int taken = 0; taken < 16; taken++) {
        ssize_t size = recv(fd, m, sizeof m, MSG_DONTWAIT);
        if (size < 0) return;
        int i = slot_of(m, size);
        if (i < 0) {
            *(i == LATE ? &late : &bad) += 1;
        } else {
            answers++;
            transmit(i);
        }
    }
}

static void run(int width, double seconds, int block) {
    for (int i = 0; i < width; i++) transmit(i);
    int64_t start = now_ns(), now = start, look = start, counted = 0;
    int64_t end = start + WARM_UP_NS + (int64_t)(seconds * 1e9);
    while (now < end && !spent) {
        int fd = is_relay ? client_fd : senders[0].fd;
        if (block) readable(fd, 1);
        receive(fd);
        if (!is_relay && senders[0].old > 0) receive(senders[0].old);
        now = now_ns();
        if (!counted && now - start >= WARM_UP_NS) {
            counted = now;
            answers = lost = late = bad = sent_count = 0;
        }
        if (now - look < LOST_NS / 10) continue;
        look = now;
        for (int i = 0; i < width; i++) {
            if (now - slots[i].sent < LOST_NS) continue;
            lost++;
            transmit(i);
        }
    }
    if (spent && !counted) die("too few requests");
    double elapsed = (now - counted) / 1e9;
    printf("{\"rate\": %.1f, \"answers\": %lld, \"sent\": %lld, \"lost\": %lld, \"late\": %lld, \"bad\": %lld, "
           "\"seconds\": %.3f, \"in_flight\": %d}\n",
           answers / elapsed, (long long)answers, (long long)sent_count, (long long)lost, (long long)late,
           (long long)bad, elapsed, width);
}

/* ---- the modes ---- */

static void request(const char *path) {
    const uint8_t head[] = { NON | 4, GET, 0, 0, 0, 0, 0, 0 };
    int previous = 0;
    memcpy(datagram, head, sizeof head);
    cookie_at = 4;
    datagram_size = path_options(datagram + sizeof head, &previous, path) - datagram;
}

static void response(const uint8_t *token, int token_size) {
    const uint8_t rest[] = { 0xc0, 0xff, 0, 0, 0, 0, '2', '1', '.', '5' }; /* Content-Format 0, cookie, text */
    datagram[0] = NON | token_size;
    datagram[1] = CONTENT;
    memcpy(datagram + 4, token, token_size);
    memcpy(datagram + 4 + token_size, rest, sizeof rest);
    cookie_at = 4 + token_size + 2;
    datagram_size = 4 + token_size + sizeof rest;
}

/* Sends the group request to the proxy and waits for it on the group's address: `target` becomes the address from
 * which the proxy multicast, `datagram` the response to it. */
static void exchange(endpoint proxy, endpoint client, const char *group, const char *interface, const char *path,
                     int timeout) {
    uint8_t m[2048], *at = m;
    char uri[256];
    int previous = 0, group_fd = udp(address(group, 5683));
    struct ip_mreq membership = { address(group, 0).sin_addr, address(interface, 0).sin_addr };
    if (setsockopt(group_fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof membership) < 0)
        die("cannot join %s on %s: %s", group, interface, strerror(errno));
    client_fd = connected(client, proxy);

    uint32_t random = now_ns() ^ (uint32_t)getpid() << 20;
    const uint8_t head[] = { NON | 4, GET, random >> 8, random };
    memcpy(m, head, sizeof head);
    memcpy(m + 4, &random, 4);
    memcpy(expected_token, &random, expected_token_size = 4);
    at = m + 8;
    uint8_t seconds = timeout;
    if (timeout) at = option(at, &previous, TIMEOUT, &seconds, 1);
    snprintf(uri, sizeof uri, "coap://%s/%s", group, path);
    at = option(at, &previous, PROXY_URI, uri, strlen(uri));
    send(client_fd, m, at - m, 0);

    socklen_t size = sizeof target;
    if (!readable(group_fd, 2000)) {
        ssize_t got = recv(client_fd, m, sizeof m, MSG_DONTWAIT);
        if (got >= 4) die("the proxy answered %d.%02d and multicast nothing", m[1] >> 5, m[1] & 31);
        die("the proxy multicast nothing within 2 s");
    }
    ssize_t got = recvfrom(group_fd, m, sizeof m, 0, (struct sockaddr *)&target, &size);
    if (got < 4 || (m[0] & 15) > 8 || got < 4 + (m[0] & 15)) die("the proxy multicast something that is not CoAP");
    response(m + 4, m[0] & 15);
    close(group_fd);
}

static void pass_on(int in, int out, const endpoint *to) {
    uint8_t m[2048];
    endpoint from;
    puts("ready");
    fflush(stdout);
    for (;;) {
        socklen_t size = sizeof from;
        ssize_t got = recvfrom(in, m, sizeof m, 0, (struct sockaddr *)&from, &size);
        if (got > 0) sendto(out, m, got, 0, (const struct sockaddr *)(to ? to : &from), sizeof from);
    }
}

int main(int argc, char **argv) {
    const char *where = NULL, *path = "temp", *group = NULL, *client = NULL, *servers = NULL, *interface = "127.0.0.1";
    int port = 5683, client_port = 0, width = 8, cpu = -1, block = 0, timeout = -1, option_letter;
    double seconds = 1;
    const char *mode = argc > 1 ? argv[1] : "";
    optind = 2;
    while ((option_letter = getopt(argc, argv, "a:p:u:g:i:l:q:s:w:d:c:t:f:ebr")) != -1) {
        switch (option_letter) {
        case 'a': where = optarg; break;
        case 'p': port = atoi(optarg); break;
        case 'u': path = optarg; break;
        case 'g': group = optarg; break;
        case 'i': interface = optarg; break;
        case 'l': client = optarg; break;
        case 'q': client_port = atoi(optarg); break;
        case 's': servers = optarg; break;
        case 'w': width = atoi(optarg); break;
        case 'd': seconds = atof(optarg); break;
        case 'c': cpu = atoi(optarg); break;
        case 't': timeout = atoi(optarg); break;   /* T', 0: no Multicast-Timeout in the request */
        case 'f': requests = fopen(optarg, "rb"); if (!requests) die("%s: %s", optarg, strerror(errno)); break;
        case 'e': bare = 1; break;
        case 'b': block = 1; break;
        case 'r': need_reply_from = 1; break;
        default: return 2;
        }
    }
    if (width < 1 || width > MAX_SLOTS || seconds <= 0) die("-w is 1 to %d, -d more than 0", MAX_SLOTS);
    if (cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        if (sched_setaffinity(0, sizeof set, &set) < 0) die("cannot stay on CPU %d: %s", cpu, strerror(errno));
    }
    target = address(where, port);
    is_relay = !strcmp(mode, "relay");

    if (!strcmp(mode, "reflect")) {
        int fd = udp(target);
        pass_on(fd, fd, NULL);
    } else if (!strcmp(mode, "forward")) {
        endpoint to = address(client, client_port);
        pass_on(udp(target), udp(address(where, 0)), &to);
    } else if (!strcmp(mode, "server")) {
        cookie_at = 4;
        if (!requests) request(path);
        open_sender(&senders[0]);
    } else if (is_relay) {
        endpoint here = address(client, client_port);
        if (bare) {
            client_fd = udp(here);
            response((const uint8_t *)"\1\2\3\4\5\6\7\10", expected_token_size = 8);
            memcpy(expected_token, datagram + 4, 8);
        } else {
            exchange(target, here, group, interface, path, timeout < 0 ? (int)seconds + 2 : timeout);
        }
        local = address(servers, 0);
        for (int i = 0; i < SERVERS; i++) open_sender(&senders[i]);
    } else {
        die("the first argument is server, relay, reflect or forward");
    }
    run(width, seconds, block);
    return 0;
}
