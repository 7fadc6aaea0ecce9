// HSTU attention over jagged rows (HSTU paper eq. 2), forward and backward, tile by tile: nothing of size keys x queries
// is ever held. Every row's sums run in one fixed order, so results do not depend on the number of threads.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "attention_amx.h"
#include "attention_float.h"
#include "problem.h"

namespace {

void longest_first(std::vector<Unit>& units) {
    std::stable_sort(units.begin(), units.end(), [](const Unit& a, const Unit& b) { return a.cost > b.cost; });
}

int longest_row(const Attention& a) {
    int64_t longest = 0;
    for (int64_t b = 0; b < a.batch; ++b) longest = std::max(longest, a.offsets[b + 1] - a.offsets[b]);
    return int(longest);
}

// Checks the spans of time; returns the first row that is too wide, or -1.
int64_t starts_of_rows(const Attention& a, std::vector<int64_t>& starts) {
    starts.assign(a.batch, 0);
    if (!a.bias.position) return -1;
    for (int64_t b = 0; b < a.batch; ++b)
        if (!rows::span(row_of(a, b), a.bias, starts[b])) return b;
    return -1;
}

template <typename Worker>
void forward(const Attention& a, const Jagged& out, const std::vector<int64_t>& starts) {
    std::vector<Unit> units;
    for (int64_t b = 0; b < a.batch; ++b) {
        const Row row = row_of(a, b);
        for (int first = 0; first < row.queries; first += TILE) {
            const int count = std::min(TILE, row.queries - first);
            units.push_back({b, first, count, int64_t(count) * row.place(first + count)});
        }
    }
    longest_first(units);
    const int longest = longest_row(a);
#pragma omp parallel num_threads(a.threads)
    {
        Worker worker(a, out, longest);
#pragma omp for schedule(dynamic)
        for (size_t i = 0; i < units.size(); ++i) worker.run(units[i], starts[units[i].row]);
    }
}

template <typename Worker>
void backward(const Attention& a, const Gradients& g, const std::vector<int64_t>& starts) {
    // All heads of a row share its bias and are done together, unless the rows are too few to keep all cores busy.
    const int heads = a.batch < 4 ? 1 : a.heads;
    std::vector<Unit> units;
    for (int64_t b = 0; b < a.batch; ++b) {
        const Row row = row_of(a, b);
        for (int first = 0; first < a.heads && row.keys; first += heads)
            units.push_back({b, first, heads, int64_t(row.keys) * row.queries});
    }
    longest_first(units);
    const int longest = longest_row(a);
    const int64_t positions = a.bias.position ? 2 * a.bias.half + 1 : 0, times = a.bias.position ? 129 : 0;
    // Each unit sums the bias by itself and the sums are added in order, so that the result is always the same.
    std::vector<float> sums((positions + times) * units.size());
#pragma omp parallel num_threads(a.threads)
    {
        Worker worker(a, g, longest);
#pragma omp for schedule(dynamic)
        for (size_t i = 0; i < units.size(); ++i) {
            float* own = sums.data() + i * (positions + times);
            worker.run(units[i], starts[units[i].row], own, own + positions);
        }
    }
    for (size_t i = 0; i < units.size() && positions; ++i) {
        const float* own = sums.data() + i * (positions + times);
        for (int64_t p = 0; p < positions; ++p) g.position[p] += own[p];
        for (int64_t t = 0; t < times; ++t) g.time[t] += own[positions + t];
    }
}

}  // namespace

extern "C" {

// Both return -1, or the first row whose times span more than 31 bits of seconds, having done nothing.
int64_t hstu_attention_forward(const Attention* a, const Jagged* out) {
    std::vector<int64_t> starts;
    const int64_t wrong = starts_of_rows(*a, starts);
    if (wrong >= 0) return wrong;
#ifdef HAS_AMX
    if (a->half_precision && amx::is_allowed()) {
        forward<ForwardAmx>(*a, *out, starts);
        return -1;
    }
#endif
    a->half_precision ? forward<Forward<bfloat16>>(*a, *out, starts) : forward<Forward<float>>(*a, *out, starts);
    return -1;
}

int64_t hstu_attention_backward(const Attention* a, const Gradients* gradients) {
    std::vector<int64_t> starts;
    const int64_t wrong = starts_of_rows(*a, starts);
    if (wrong >= 0) return wrong;
#ifdef HAS_AMX
    if (a->half_precision && amx::is_allowed()) {
        backward<BackwardAmx>(*a, *gradients, starts);
        return -1;
    }
#endif
    a->half_precision ? backward<Backward<bfloat16>>(*a, *gradients, starts)
                      : backward<Backward<float>>(*a, *gradients, starts);
    return -1;
}
}
