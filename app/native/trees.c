/* Walking decision trees with one sample.

   Every step waits for the node it leads to, which is somewhere in megabytes. So several trees are walked side by side,
   and their waits pass together. The layout is that of `app.ml.forest.Walk`: a node holds its left child, which the right
   one follows, and the column it compares; a leaf is its own child and compares with infinity. */

#include <stddef.h>
#include <stdint.h>

#define TOGETHER 8

/* link           child << column_bits | column, a node
   threshold      a node; greater goes right
   sample         values by column
   roots, ends    a tree: where it begins, and where the sample ended */
void walk_trees(const int64_t *link, const double *threshold, int column_bits, const double *sample,
                const int64_t *roots, int64_t *ends, size_t n_trees)
{
    const int64_t column = ((int64_t)1 << column_bits) - 1;
    size_t tree = 0;
    for (; tree + TOGETHER <= n_trees; tree += TOGETHER) {
        int64_t node[TOGETHER], moved;
        for (int i = 0; i < TOGETHER; i++)
            node[i] = roots[tree + i];
        do {
            moved = 0;
            for (int i = 0; i < TOGETHER; i++) {
                int64_t next = (link[node[i]] >> column_bits) + (sample[link[node[i]] & column] > threshold[node[i]]);
                moved |= next ^ node[i];
                node[i] = next;
            }
        } while (moved);
        for (int i = 0; i < TOGETHER; i++)
            ends[tree + i] = node[i];
    }
    for (; tree < n_trees; tree++) {
        int64_t node = roots[tree], next = node;
        do {
            node = next;
            next = (link[node] >> column_bits) + (sample[link[node] & column] > threshold[node]);
        } while (next != node);
        ends[tree] = node;
    }
}
