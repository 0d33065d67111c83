// Template: sums of a block of rows and panels. A level names TILE_ROWS, its most rows; TILE_PANELS, 1 or 2; the quads of a and b
// that its dot product takes (lanes_a, lanes_b), lanes_a_load, lanes_b_load and lanes_dot; and perhaps, for tiles of two panels
// and more than TILE_ROWS / 2 rows, TILE_FINISH, which ends rows where their sums are, and TILE_ENDS_ROW, which ends a row of an
// earlier tile between the products of this one, which wait for other units of the CPU.

#define TILE_VECTORS (APUSK_INTEGER_PANEL / LANES)

// `rows` and `panels` are constants where this is inlined.
LANES_INLINE void tile_body(const apusk_integer_tile *t, const int rows, const int panels) {
  lanes_int sums[TILE_ROWS][TILE_PANELS * TILE_VECTORS];
  const int8_t *b = t->b;
  const int64_t a_row = t->a_row, panel = t->panel, quads = t->quads, runs_x = t->runs_x, ahead_step = t->ahead_step;
  const char *ahead = t->ahead;
  const lanes_int flip = lanes_load(t->flip);
  LANES_UNROLL for (int i = 0; i < rows; i++) {
    LANES_UNROLL for (int v = 0; v < panels * TILE_VECTORS; v++) sums[i][v] = lanes_load(t->start + v * LANES);
  }
#ifdef TILE_ENDS_ROW
  const bool overlaps = panels == 2 && rows > TILE_ROWS / 2;
  apusk_integer_finish *pending = t->pending;
#endif
  const uint8_t *run_y = t->a;
  int64_t y = t->runs_y;
  do {
    const uint8_t *run = run_y;
    int64_t x = runs_x;
    do {
      const uint8_t *a = run, *end = run + 4 * quads;
      do {
        lanes_b columns[TILE_PANELS * TILE_VECTORS];
        LANES_UNROLL for (int v = 0; v < panels * TILE_VECTORS; v++) {
          columns[v] = lanes_b_load(b + v / TILE_VECTORS * panel + v % TILE_VECTORS * 4 * LANES);
        }
        LANES_UNROLL for (int i = 0; i < rows; i++) {
          lanes_a value = lanes_a_load(a + i * a_row, flip);
          LANES_UNROLL for (int v = 0; v < panels * TILE_VECTORS; v++) sums[i][v] = lanes_dot(sums[i][v], value, columns[v]);
        }
#ifdef TILE_ENDS_ROW
        if (overlaps) {
          // The sums are done and stay in their registers.
          LANES_UNROLL for (int i = 0; i < rows; i++) {
            LANES_UNROLL for (int v = 0; v < panels * TILE_VECTORS; v++) __asm__ volatile("" : "+v"(sums[i][v]));
          }
          if (pending) pending = TILE_ENDS_ROW(pending);
        }
#endif
        if (panels == 2) {
          __builtin_prefetch(ahead, 0, 2);
          ahead += ahead_step;
        }
        b += 4 * APUSK_INTEGER_PANEL;
        a += 4;
      } while (a != end);
      run += t->a_x;
    } while (--x > 0);
    run_y += t->a_y;
  } while (--y > 0);
#ifdef TILE_FINISH
  if (overlaps && t->finish) {
    TILE_FINISH(t->finish, sums, rows);
    return;
  }
#endif
  int32_t *out = t->sums;
  LANES_UNROLL for (int i = 0; i < rows; i++) {
    LANES_UNROLL for (int v = 0; v < panels * TILE_VECTORS; v++, out += LANES) lanes_store(out, sums[i][v]);
  }
}

#define TILE_OF(rows, panels) \
  LANES_TARGET static void tile_##rows##_##panels(const apusk_integer_tile *t) { tile_body(t, rows, panels); }
#define TILE_NAME(rows, panels) tile_##rows##_##panels,
#if TILE_PANELS == 2
#define TILE_EACH_2(m) \
  m(1, 2) m(2, 2) m(3, 2) m(4, 2) m(5, 2) m(6, 2) m(7, 2) m(8, 2) m(9, 2) m(10, 2) m(11, 2) m(12, 2)
#define TILE_EACH_1(m) m(1, 1) m(2, 1) m(3, 1) m(4, 1) m(5, 1) m(6, 1)
#elif TILE_ROWS == 6
#define TILE_EACH_1(m) m(1, 1) m(2, 1) m(3, 1) m(4, 1) m(5, 1) m(6, 1)
#elif TILE_ROWS == 4
#define TILE_EACH_1(m) m(1, 1) m(2, 1) m(3, 1) m(4, 1)
#else
#define TILE_EACH_1(m) m(1, 1) m(2, 1)
#endif

TILE_EACH_1(TILE_OF)
#if TILE_PANELS == 2
TILE_EACH_2(TILE_OF)

// Half as many rows are sums enough for one panel.
LANES_TARGET static void tile(const apusk_integer_tile *t) {
  static void (*const ones[TILE_ROWS / 2])(const apusk_integer_tile *) = {TILE_EACH_1(TILE_NAME)};
  static void (*const twos[TILE_ROWS])(const apusk_integer_tile *) = {TILE_EACH_2(TILE_NAME)};
#ifdef TILE_ENDS_ROW
  // What is left of it, or all where this tile has few rows, comes before the tile.
  const bool overlaps = t->panels == 2 && t->rows > TILE_ROWS / 2;
  if (t->pending) {
    const int64_t quads = overlaps ? t->runs_y * t->runs_x * t->quads : 0;
    while (t->pending->rows > quads && TILE_ENDS_ROW(t->pending)) continue;
    if (t->rows == 0) return;
  }
#endif
  if (t->panels == 2) {
    twos[t->rows - 1](t);
    return;
  }
  apusk_integer_tile part = *t;
  if (t->rows > TILE_ROWS / 2) {
    part.rows = t->rows / 2;
    ones[part.rows - 1](&part);
    part.a += part.rows * t->a_row;
    part.sums += part.rows * APUSK_INTEGER_PANEL;
    part.rows = t->rows - part.rows;
  }
  ones[part.rows - 1](&part);
}
#else
static void tile(const apusk_integer_tile *t) {
  static void (*const tiles[TILE_ROWS])(const apusk_integer_tile *) = {TILE_EACH_1(TILE_NAME)};
  tiles[t->rows - 1](t);
}
#endif
