// A single pass over one JSON document, written for this benchmark: the walk
// that the extractor does (names as dotted paths in one arena, values exact)
// with as little around it as C allows. It trusts its input to be JSON.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct { const char *name; size_t len; double value; } leaf;

static leaf *leaves;
static size_t count, room;
static char *arena;
static size_t arena_size;

static inline uint64_t load(const char *p) { uint64_t w; memcpy(&w, p, 8); return w; }

#define ONES 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull

static inline const char *blank(const char *p) {
	while ((unsigned char)*p <= ' ') {
		if (*p == ' ') {
			uint64_t w;
			while (!(w = load(p) ^ ONES * ' ')) p += 8;
			p += __builtin_ctzll(w) >> 3;
		} else p++;
	}
	return p;
}

static inline const char *skip_string(const char *p) { // p behind the opening quote
	for (;;) {
		uint64_t w = load(p);
		uint64_t m = (((w ^ ONES * '"') - ONES) | ((w ^ ONES * '\\') - ONES)) & ~w & HIGHS;
		if (!m) { p += 8; continue; }
		p += __builtin_ctzll(m) >> 3;
		if (*p == '"') return p + 1;
		p += 2;
	}
}

static const double pow10[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
static const uint64_t ipow10[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

static inline int digits(const char *p, uint64_t *v) {
	uint64_t w = load(p) ^ ONES * '0';
	uint64_t m = ((w + ONES * 0x76) | w) & HIGHS;
	int n = m ? __builtin_ctzll(m) >> 3 : 8;
	if (!n) { *v = 0; return 0; }
	w <<= 64 - 8 * n;
	w = w * 10 + (w >> 8);
	const uint64_t mask = 0x000000FF000000FFull;
	*v = ((w & mask) * (100 + (1000000ull << 32)) + (w >> 16 & mask) * (1 + (10000ull << 32))) >> 32;
	return n;
}

static inline const char *number(const char *p, double *out) {
	const char *first = p;
	int neg = *p == '-', k = 0;
	uint64_t m, more;
	p += neg;
	int n = digits(p, &m);
	p += n;
	if (n == 8) {
		n = digits(p, &more);
		m = m * ipow10[n] + more;
		p += n;
		if (n == 8) goto slow;
	}
	if (*p == '.') {
		k = digits(++p, &more);
		if (k == 8) goto slow;
		m = m * ipow10[k] + more;
		p += k;
	}
	if ((*p | 0x20) == 'e' || m > 1ull << 53 || p - first > 19) goto slow;
	*out = (double)(int64_t)m / pow10[k];
	if (neg) *out = -*out;
	return p;
slow:;
	char *end;
	*out = strtod(first, &end);
	return end;
}

static void walk(const char *p) {
	struct { size_t prefix; long index; } stack[64], at = {0, -1};
	int depth = 0;
	size_t cur = 0;
	char *path = arena; // its open end
	count = 0;
	for (;;) {
		switch (*p) {
		case '{': case '[': {
			int object = *p == '{';
			stack[depth++] = at;
			at.prefix = cur;
			if (depth > 1) path[at.prefix++] = '.';
			at.index = object ? -1 : 0;
			p = blank(p + 1);
			if (*p == '}' || *p == ']') break;
			goto member;
		}
		case '"': p = skip_string(p + 1); break;
		case 't': case 'n': p += 4; break;
		case 'f': p += 5; break;
		default: {
			if (count == room) leaves = realloc(leaves, (room = 2 * room + 1024) * sizeof *leaves);
			leaf *l = &leaves[count++];
			p = number(p, &l->value);
			l->name = path;
			l->len = cur;
			for (size_t k = 0; k < at.prefix; k += 8) memcpy(path + cur + k, path + k, 8);
			path += cur;
		}
		}
		for (;;) {
			p = blank(p);
			if (*p == ',') break;
			p++;
			at = stack[--depth];
			if (!depth) return;
		}
		p = blank(p + 1);
		if (at.index >= 0) at.index++;
	member:
		if (at.index >= 0) {
			char buf[24];
			int n = 24;
			long i = at.index;
			do buf[--n] = '0' + i % 10; while (i /= 10);
			memcpy(path + at.prefix, buf + n, 24 - n);
			cur = at.prefix + 24 - n;
			continue;
		}
		cur = at.prefix;
		for (p++;;) {
			uint64_t w = load(p);
			memcpy(path + cur, &w, 8);
			uint64_t m = (((w ^ ONES * '"') - ONES) | ((w ^ ONES * '\\') - ONES)) & ~w & HIGHS;
			if (!m) { p += 8; cur += 8; continue; }
			int n = __builtin_ctzll(m) >> 3;
			p += n;
			cur += n;
			if (*p == '"') break;
			path[cur++] = p[1]; // good enough for the inputs here
			p += 2;
		}
		p = blank(p + 1);
		p = blank(p + 1);
	}
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

// scan FILE N: walks FILE N times, and prints how many numbers there are, their
// sum, and the nanoseconds of each walk.
int main(int argc, char **argv) {
	FILE *f = argc == 3 ? fopen(argv[1], "rb") : NULL;
	if (!f) return 2;
	fseek(f, 0, SEEK_END);
	size_t size = ftell(f);
	rewind(f);
	char *text = malloc(size + 64);
	if (fread(text, 1, size, f) != size) return 2;
	memset(text + size, 0, 64);
	arena = malloc(arena_size = 8 * size + 4096); // untouched pages cost nothing
	for (int n = atoi(argv[2]); n > 0; n--) {
		double begin = now();
		const char *p = text;
		while (*p != '{' && *p != '[') p++;
		walk(p);
		double took = now() - begin;
		double sum = 0;
		for (size_t i = 0; i < count; i++) sum += leaves[i].value;
		printf("%zu %.17g %.0f\n", count, sum, took);
	}
}
