/* First process of a node's process namespace, and the pod sandbox's "pause": it adopts orphans, reaps them and waits.
 * Killing it makes the kernel remove everything that lives in the namespace. */
#include <signal.h>
#include <sys/wait.h>

int main(void) {
    sigset_t watched;
    int signal_number = 0;

    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGINT);
    sigaddset(&watched, SIGTERM);
    sigprocmask(SIG_BLOCK, &watched, 0);

    while (sigwait(&watched, &signal_number) == 0 && signal_number == SIGCHLD) {
        while (waitpid(-1, 0, WNOHANG) > 0) {
        }
    }
    return 0;
}
