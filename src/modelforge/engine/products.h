// Products of small matrices that lie in a core's caches, for the C++ of this folder.
#pragma once
#include <cstdint>
#include <memory>
#include <type_traits>

#include "../vectors.h"

namespace {

constexpr long WHOLE = 16;  // so many floats are whole vectors of any processor
inline long filled(long count) { return (count + WHOLE - 1) / WHOLE * WHOLE; }

// Scratch memory, cut up.
struct Scratch {
    float* next;
    float* cut(long count) { return next += count, next - count; }
};

// What owns it.
class Memory : public Scratch {
    std::unique_ptr<float[]> floats;

public:
    explicit Memory(long count) : Scratch{nullptr}, floats(new float[count + WHOLE]) {
        // Vectors that lie across two lines of the cache are read at half the speed.
        constexpr uintptr_t line = 64;
        next = reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(floats.get()) + line - 1) / line * line);
    }
};

// A tile of results stays in registers, beside a line of vectors and one number.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int RESULTS = 16;
#else
constexpr int RESULTS = 8;
#endif

// Neither this nor what calls it is worth a copy at each place: a run may wait for the compiler.
template <int R, int C, bool ADD>
__attribute__((noinline)) void tile(const float* a, long row, long step, const float* b, long line, float* c,
                                    long width, long depth) {
    // Unrolled from the start: else compilers keep the results on the stack, too.
    Floats result[R][C];
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < C; ++j) result[i][j] = ADD ? load(c + i * width + j * LANES) : Floats{};
    for (long k = 0; k < depth; ++k) {
        Floats right[C];
#pragma GCC unroll 4
        for (int j = 0; j < C; ++j) right[j] = load(b + k * line + j * LANES);
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
            float left = a[i * row + k * step];
#pragma GCC unroll 4
            for (int j = 0; j < C; ++j) result[i][j] += left * right[j];
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < C; ++j) store(c + i * width + j * LANES, result[i][j]);
}

// c (rows × columns) = or += a (rows × depth, its elements `row` and `step` apart) · b (depth × columns). Columns come in
// whole vectors.
template <bool ADD>
__attribute__((noinline)) void multiply(const float* a, long row, long step, const float* b, long line, float* c,
                                        long width, long rows, long columns, long depth) {
    const auto strips = [&](auto vectors, long number) {
        constexpr int C = decltype(vectors)::value, R = RESULTS / C;
        long i = 0;
        const auto tiles = [&](auto lines) {
            constexpr int L = decltype(lines)::value;
            for (; i + L <= rows; i += L)
                for (long j = 0; j < number * C * LANES; j += C * LANES)
                    tile<L, C, ADD>(a + i * row, row, step, b + j, line, c + i * width + j, width, depth);
        };
        tiles(std::integral_constant<int, R>{});
        tiles(std::integral_constant<int, 1>{});
        columns -= number * C * LANES, b += number * C * LANES, c += number * C * LANES;
    };
    strips(std::integral_constant<int, 4>{}, columns / (4 * LANES));
    if (columns >= 2 * LANES) strips(std::integral_constant<int, 2>{}, 1);
    if (columns > 0) strips(std::integral_constant<int, 1>{}, 1);
}

}  // namespace
