/* Open-loop HTTP/1.1 load over keep-alive connections.
 *
 * Requests are due at fixed times, whatever the server does. A request whose turn came while every connection was busy waits, and its
 * latency counts from the moment it was due: a server that stalls cannot hide behind a client that politely waited with it. Latency from
 * the moment of sending is kept beside it, to compare with clocks that start at the server.
 *
 * openloop PORT PATH BODY_FILE RATE SECONDS WARMUP_SECONDS CONNECTIONS TIMEOUT_SECONDS
 *
 * Prints one line of JSON; times in microseconds. Requests of the warm-up are sent, and not counted. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { RESPONSE_BYTES = 1 << 16, MAX_BODY = 1 << 24, MAX_CONNECTIONS = 4096 };

struct connection {
    int socket; /* -1: to be opened again */
    int busy;
    long request; /* number of the request in flight */
    double due, sent;
    size_t written, received;
    char response[RESPONSE_BYTES];
};

static struct connection *connections;
static struct pollfd *polled;
static int n_connections;
static in_port_t port;
static char *request;
static size_t request_bytes;
static double timeout_seconds;
static long warmup_requests, n_answered, n_failed, n_late;
static double *from_due, *from_sent;

static double now(void) {
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return (double)moment.tv_sec + (double)moment.tv_nsec * 1e-9;
}

static void end_with(const char *what) {
    fprintf(stderr, "openloop: %s: %s\n", what, strerror(errno));
    exit(2);
}

static int connected(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 1};
    int one = 1, made = socket(AF_INET, SOCK_STREAM, 0);
    if (made < 0)
        end_with("socket");
    setsockopt(made, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience); /* bounds connect, too */
    setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(made, (struct sockaddr *)&address, sizeof address)) {
        close(made);
        return -1;
    }
    return made;
}

static void drop(struct connection *c) {
    if (c->socket >= 0)
        close(c->socket);
    c->socket = -1;
    c->busy = 0;
}

static void failed(struct connection *c) {
    n_failed += c->request >= warmup_requests;
    drop(c);
}

static void answered(struct connection *c) {
    double moment = now();
    if (c->request >= warmup_requests) {
        from_due[n_answered] = (moment - c->due) * 1e6;
        from_sent[n_answered] = (moment - c->sent) * 1e6;
        n_answered++;
    }
    c->busy = 0;
}

static void write_more(struct connection *c) {
    ssize_t n = send(c->socket, request + c->written, request_bytes - c->written, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0)
        c->written += (size_t)n;
    else if (errno != EAGAIN)
        failed(c);
}

/* Return the length of the whole response; 0: its head is not complete; -1: it is not one that counts as an answer. */
static long response_length(const struct connection *c) {
    const char *end = memmem(c->response, c->received, "\r\n\r\n", 4);
    if (!end)
        return 0;
    if (memcmp(c->response, "HTTP/1.1 200", 12) != 0)
        return -1;
    for (const char *line = c->response; line < end; line++) {
        line = memchr(line, '\n', (size_t)(end + 4 - line));
        if (strncasecmp(line + 1, "content-length:", 15) == 0)
            return end + 4 - c->response + atol(line + 16);
    }
    return -1;
}

static void read_more(struct connection *c) {
    ssize_t n = recv(c->socket, c->response + c->received, RESPONSE_BYTES - c->received, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (!c->busy) { /* the server ended an idle connection */
        drop(c);
        return;
    }
    if (n <= 0) {
        failed(c);
        return;
    }
    c->received += (size_t)n;
    long length = response_length(c);
    if (length < 0 || c->received == RESPONSE_BYTES)
        failed(c);
    else if (length > 0 && c->received >= (size_t)length)
        answered(c);
}

static struct connection *idle_connection(void) {
    static int turn;
    for (int tried = 0; tried < n_connections; tried++) {
        struct connection *c = &connections[turn];
        turn = (turn + 1) % n_connections;
        if (c->socket < 0)
            c->socket = connected();
        if (c->socket >= 0 && !c->busy)
            return c;
    }
    return NULL;
}

static void start(struct connection *c, long number, double due, double moment) {
    c->busy = 1;
    c->request = number;
    c->due = due;
    c->sent = moment;
    c->written = c->received = 0;
    n_late += number >= warmup_requests && moment - due > 1e-3;
    write_more(c);
}

static void give_up_on_slow(double moment) {
    for (int i = 0; i < n_connections; i++)
        if (connections[i].busy && moment - connections[i].sent > timeout_seconds)
            failed(&connections[i]);
}

static int wait_until(double moment) {
    int busy = 0;
    for (int i = 0; i < n_connections; i++) {
        struct connection *c = &connections[i];
        busy += c->busy;
        polled[i].fd = c->socket;
        polled[i].events = c->busy && c->written < request_bytes ? POLLIN | POLLOUT : POLLIN;
    }
    double left = moment - now();
    if (left < 0)
        left = 0;
    struct timespec patience = {.tv_sec = (time_t)left, .tv_nsec = (long)((left - (double)(time_t)left) * 1e9)};
    if (ppoll(polled, (nfds_t)n_connections, &patience, NULL) < 0 && errno != EINTR)
        end_with("ppoll");
    for (int i = 0; i < n_connections; i++) {
        struct connection *c = &connections[i];
        if (c->busy && polled[i].revents & POLLOUT)
            write_more(c);
        if (c->socket >= 0 && polled[i].revents & (POLLIN | POLLHUP | POLLERR))
            read_more(c);
    }
    return busy;
}

static void run(long total, double rate) {
    double begin = now() + 0.1;
    long next = 0;
    for (;;) {
        double moment = now();
        while (next < total && begin + (double)next / rate <= moment) {
            double due = begin + (double)next / rate;
            struct connection *c = idle_connection();
            if (c)
                start(c, next++, due, moment);
            else if (moment - due > timeout_seconds)
                n_failed += next++ >= warmup_requests;
            else
                break;
        }
        give_up_on_slow(moment);
        double due = begin + (double)next / rate;
        double wake = next < total && due > moment ? due : moment + 1e-3;
        if (!wait_until(wake) && next == total)
            return;
    }
}

static void build_request(const char *path, const char *body_file) {
    FILE *file = fopen(body_file, "rb");
    char *body = malloc(MAX_BODY);
    request = malloc(MAX_BODY + 4096);
    if (!file || !body || !request)
        end_with(body_file);
    size_t body_bytes = fread(body, 1, MAX_BODY, file);
    fclose(file);
    int head = snprintf(request, 4096,
                        "POST %s HTTP/1.1\r\nHost: model.test\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", path,
                        body_bytes);
    memcpy(request + head, body, body_bytes);
    request_bytes = (size_t)head + body_bytes;
    free(body);
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void print_quantiles(const char *name, double *values) {
    static const double shares[] = {0.5, 0.9, 0.99, 1.0};
    static const char *const names[] = {"p50", "p90", "p99", "max"};
    qsort(values, (size_t)n_answered, sizeof *values, ascending);
    printf(", \"%s\": {", name);
    for (int i = 0; i < 4; i++) {
        double value = n_answered ? values[(long)((double)(n_answered - 1) * shares[i])] : 0.0;
        printf("%s\"%s\": %.1f", i ? ", " : "", names[i], value);
    }
    printf("}");
}

int main(int count, char **words) {
    if (count != 9) {
        fprintf(stderr, "openloop PORT PATH BODY_FILE RATE SECONDS WARMUP_SECONDS CONNECTIONS TIMEOUT_SECONDS\n");
        return 2;
    }
    port = htons((in_port_t)atoi(words[1]));
    build_request(words[2], words[3]);
    double rate = atof(words[4]), seconds = atof(words[5]), warmup = atof(words[6]);
    n_connections = atoi(words[7]);
    timeout_seconds = atof(words[8]);
    if (rate <= 0 || seconds <= 0 || n_connections < 1 || n_connections > MAX_CONNECTIONS)
        end_with("nothing to do");
    warmup_requests = (long)(rate * warmup);
    long total = warmup_requests + (long)(rate * seconds);
    from_due = calloc((size_t)total, sizeof *from_due);
    from_sent = calloc((size_t)total, sizeof *from_sent);
    connections = calloc((size_t)n_connections, sizeof *connections);
    polled = calloc((size_t)n_connections, sizeof *polled);
    if (!from_due || !from_sent || !connections || !polled)
        end_with("memory");
    for (int i = 0; i < n_connections; i++)
        if ((connections[i].socket = connected()) < 0)
            end_with("connect");
    prctl(PR_SET_TIMERSLACK, 1UL); /* nanoseconds; the default of 50 µs would be most of the latency */
    run(total, rate);
    printf("{\"requests\": %ld, \"answered\": %ld, \"failed\": %ld, \"late\": %ld", total - warmup_requests, n_answered, n_failed, n_late);
    print_quantiles("from_due", from_due);
    print_quantiles("from_sent", from_sent);
    puts("}");
    return 0;
}
