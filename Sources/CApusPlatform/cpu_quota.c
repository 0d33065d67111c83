// The CPU quota of control groups, as cgroups(7) and proc(5) describe the files.
#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apusp_cpu.h"

typedef struct line_reader {
  FILE *file;
  char *line;
  size_t capacity;
} line_reader;

static bool open_lines(line_reader *reader, const char *root, const char *path) {
  char full[PATH_MAX];
  int length = snprintf(full, sizeof full, "%s%s", root, path);
  *reader = (line_reader){0};
  if (length < 0 || (size_t)length >= sizeof full) return false;
  reader->file = fopen(full, "re");
  return reader->file != NULL;
}

// The next line without its end, or NULL.
static char *next_line(line_reader *reader) {
  ssize_t length = getline(&reader->line, &reader->capacity, reader->file);
  if (length < 0) return NULL;
  if (length > 0 && reader->line[length - 1] == '\n') reader->line[length - 1] = 0;
  return reader->line;
}

static void close_lines(line_reader *reader) {
  free(reader->line);
  fclose(reader->file);
}

// Whether the comma-separated `list` has `word`.
static bool list_has(const char *list, const char *word) {
  size_t length = strlen(word);
  for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
    if (strncmp(at, word, length) == 0 && (at[length] == 0 || at[length] == ',')) return true;
  return false;
}

// The process's group in the hierarchy of the cpu controller (v1) or the unified one (v2), from lines of
// "number:controllers:path".
static bool find_group(const char *root, bool unified, char group[PATH_MAX]) {
  line_reader reader;
  if (!open_lines(&reader, root, "/proc/self/cgroup")) return false;
  bool found = false;
  for (char *line; !found && (line = next_line(&reader));) {
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path) continue;
    *path++ = 0;
    controllers++;
    bool ours = unified ? strncmp(line, "0:", 2) == 0 && *controllers == 0 : list_has(controllers, "cpu");
    if (ours && strlen(path) < PATH_MAX) {
      strcpy(group, path);
      found = true;
    }
  }
  close_lines(&reader);
  return found;
}

// Where the hierarchy is mounted and which group the mount shows, from lines of
// "id parent device root mount-point options [fields...] - type source super-options".
static bool find_mount(const char *root, bool unified, char shown[PATH_MAX], char point[PATH_MAX]) {
  line_reader reader;
  if (!open_lines(&reader, root, "/proc/self/mountinfo")) return false;
  bool found = false;
  for (char *line; !found && (line = next_line(&reader));) {
    char *end = strstr(line, " - ");
    if (!end) continue;
    *end = 0;
    char *rest = NULL;
    char *type = strtok_r(end + 3, " ", &rest);
    char *source = strtok_r(NULL, " ", &rest);
    char *options = strtok_r(NULL, " ", &rest);
    if (!type || !source || !options) continue;
    bool ours = unified ? strcmp(type, "cgroup2") == 0 : strcmp(type, "cgroup") == 0 && list_has(options, "cpu");
    if (!ours) continue;
    char *field = strtok_r(line, " ", &rest);
    for (int i = 0; i < 3 && field; i++) field = strtok_r(NULL, " ", &rest);
    char *mount_point = field ? strtok_r(NULL, " ", &rest) : NULL;
    if (!mount_point || strlen(field) >= PATH_MAX || strlen(mount_point) >= PATH_MAX) continue;
    strcpy(shown, field);
    strcpy(point, mount_point);
    found = true;
  }
  close_lines(&reader);
  return found;
}

static bool first_line(const char *root, const char *directory, const char *name, char *text, size_t size) {
  char path[PATH_MAX];
  int length = snprintf(path, sizeof path, "%s/%s", directory, name);
  line_reader reader;
  if (length < 0 || (size_t)length >= sizeof path || !open_lines(&reader, root, path)) return false;
  const char *line = next_line(&reader);
  bool fits = line && strlen(line) < size;
  if (fits) strcpy(text, line);
  close_lines(&reader);
  return fits;
}

// Whole CPUs that quota microseconds in each period are worth, rounded up; 0 for what is no limit.
static int32_t whole_cpus(long long quota, long long period) {
  if (quota <= 0 || period <= 0) return 0;
  long long cpus = (quota - 1) / period + 1;
  return cpus < INT32_MAX ? (int32_t)cpus : INT32_MAX;
}

static int32_t quota_of_directory(const char *root, const char *directory, bool unified) {
  char text[64], period_text[64];
  if (unified) {
    // "max 100000" or "150000 100000"
    long long quota, period;
    if (!first_line(root, directory, "cpu.max", text, sizeof text)) return 0;
    return sscanf(text, "%lld %lld", &quota, &period) == 2 ? whole_cpus(quota, period) : 0;
  }
  if (!first_line(root, directory, "cpu.cfs_quota_us", text, sizeof text)) return 0;
  if (!first_line(root, directory, "cpu.cfs_period_us", period_text, sizeof period_text)) return 0;
  return whole_cpus(strtoll(text, NULL, 10), strtoll(period_text, NULL, 10));
}

static int32_t quota_of_hierarchy(const char *root, bool unified) {
  char group[PATH_MAX], shown[PATH_MAX], point[PATH_MAX];
  if (!find_group(root, unified, group) || !find_mount(root, unified, shown, point)) return 0;
  // The mount shows the groups below `shown`: the group's directory is what follows. A group outside of it (as seen
  // from a container that shares the host's view) can not be reached; the mount itself is then the best there is.
  size_t skip = strcmp(shown, "/") == 0 ? 0 : strlen(shown);
  const char *below = "";
  if (!strstr(group, "/..") && strncmp(group, shown, skip) == 0 && (group[skip] == '/' || group[skip] == 0))
    below = group + skip;
  char directory[2 * PATH_MAX];
  snprintf(directory, sizeof directory, "%s%s", point, strcmp(below, "/") == 0 ? "" : below);

  int32_t strictest = 0;
  for (size_t top = strlen(point);;) {
    int32_t quota = quota_of_directory(root, directory, unified);
    if (quota > 0 && (strictest == 0 || quota < strictest)) strictest = quota;
    char *last = strrchr(directory, '/');
    if (!last || (size_t)(last - directory) < top) return strictest;
    *last = 0;
  }
}

int32_t apusp_cpu_quota(const char *root) {
  int32_t unified = quota_of_hierarchy(root, true);
  int32_t legacy = quota_of_hierarchy(root, false);
  if (unified == 0 || legacy == 0) return unified + legacy;
  return unified < legacy ? unified : legacy;
}
