/* What the worst power cut leaves: nothing but what was flushed, under no name but one whose directory was flushed.
 *
 * Preloaded into a process, this copies each file of the folder POWERCUT_FROM into the folder POWERCUT_TO whenever the
 * process has it flushed. A new file appears there as NAME.unnamed until its directory is flushed as well, and a
 * deleted one stays until then. Killing the process is the power cut; POWERCUT_TO is the disk afterwards.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNNAMED ".unnamed"

static void path_of(char *path, const char *folder, const char *name, const char *suffix) {
    snprintf(path, PATH_MAX, "%s/%s%s", folder, name, suffix);
}

/* Written beside the target and renamed, so that a kill leaves the old copy or the new one. */
static void copy(int source, const char *target) {
    char draft[PATH_MAX + 32], block[65536];
    snprintf(draft, sizeof draft, "%s.%d.part", target, gettid());
    int copy_fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (copy_fd < 0) abort();
    off_t place = 0;
    for (ssize_t n; (n = pread(source, block, sizeof block, place)) > 0; place += n)
        if (write(copy_fd, block, n) != n) abort();
    close(copy_fd);
    if (rename(draft, target) != 0) abort();
}

static void name_new_and_forget_deleted(const char *from, const char *to) {
    DIR *folder = opendir(to);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char here[PATH_MAX], there[PATH_MAX], name[NAME_MAX + 1];
        size_t stem = strlen(entry->d_name);
        snprintf(name, sizeof name, "%s", entry->d_name);
        path_of(here, to, entry->d_name, "");
        if (stem > strlen(UNNAMED) && strcmp(name + stem - strlen(UNNAMED), UNNAMED) == 0) {
            name[stem - strlen(UNNAMED)] = '\0';
            path_of(there, to, name, "");
            rename(here, there);
        }
        path_of(there, from, name, "");
        if (name[0] != '.' && !strstr(name, ".part") && access(there, F_OK) != 0) {
            path_of(here, to, name, "");
            unlink(here);
        }
    }
    if (folder) closedir(folder);
}

static void keep(int fd) {
    const char *from = getenv("POWERCUT_FROM"), *to = getenv("POWERCUT_TO");
    char link[64], path[PATH_MAX], target[PATH_MAX];
    if (!from || !to) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = '\0';
    if (strcmp(path, from) == 0) {
        name_new_and_forget_deleted(from, to);
        return;
    }
    char *slash = strrchr(path, '/');
    if (!slash || (size_t)(slash - path) != strlen(from) || strncmp(path, from, slash - path) != 0) return;
    path_of(target, to, slash + 1, "");
    if (access(target, F_OK) != 0) path_of(target, to, slash + 1, UNNAMED);
    copy(fd, target);
}

int fsync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    int result = real(fd);
    if (result == 0) keep(fd);
    return result;
}

int fdatasync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    int result = real(fd);
    if (result == 0) keep(fd);
    return result;
}
