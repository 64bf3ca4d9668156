// What LoRA (Hu et al. 2021) adds to a product with frozen weights, forward and backward: A x, times B.
//
// Layers that read the same input stand side by side: their A's are one matrix, and each has its own columns of the
// output. Tokens go by in chunks that stay in a core's caches, so that a wide activation is read once for all that is made
// of it. It may be made of what is kept for the gradient anyway, and it may have dropout. Sums are float32 whatever the
// activations are; the matrices are float32.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "elements.h"
#include "products.h"

namespace {

constexpr long CHUNK = 32, PANEL = 256;  // tokens, and elements of their activations, that are gone through together

struct Layer {
    const float *a, *b;  // (rank, inputs) and (outputs, rank)
    float *by_a, *by_b;
    float scale;
    long rank, outputs;
    long row, column, place;  // where its rank, its outputs, and its own B begin among all layers'
};

struct Shape {
    std::vector<Layer> layers;
    long tokens, inputs;
    long ranks = 0, outputs = 0, bs = 0;  // of all layers: ranks filled up, outputs, and elements of B
};

// Rows of so many elements, one `stride` after the other.
template <typename T>
struct Rows {
    T* start;
    long stride;
    T* at(long t) const { return start + t * stride; }
};

// Part of some rows as float32: as they are, or laid out in `scratch`.
struct Lines {
    const float* start;
    long stride;
};
inline Lines lines(const Rows<const float>& from, long begin, long, long place, long, float*) {
    return {from.at(begin) + place, from.stride};
}
inline Lines lines(const Rows<const BFloat16>& from, long begin, long count, long place, long width, float* scratch) {
    for (long t = 0; t < count; ++t)
        for (long d = 0; d < width; d += LANES)
            store(scratch + t * PANEL + d, take(from.at(begin + t) + place + d, LANES));
    return {scratch, PANEL};
}

// Which elements of what an adapter reads are made 0, and how much larger the others.
struct Dropout {
    const uint32_t* seed;  // nowhere: none are
    int32_t least;
    float scale;
    long inputs;
    Floats of(Floats values, long token, long place) const {
        return dropped(values, token * inputs + place, seed, least, scale);
    }
};

enum Kind { PLAIN, NORMED, BY_SILU, BY_GELU };

// What an adapter reads: some rows; or their norm, times factors and weights; or activation(rows) times others.
template <typename T>
struct Source {
    Kind kind;
    Rows<const T> x, ups;
    const float *factors, *weight;
    Dropout dropout;

    Lines seen(long begin, long count, long place, long width, float* scratch) const {
        if (kind == PLAIN && !dropout.seed) return lines(x, begin, count, place, width, scratch);
        for (long t = 0; t < count; ++t) {
            const T *from = x.at(begin + t) + place, *up = kind > NORMED ? ups.at(begin + t) + place : nullptr;
            float* to = scratch + t * PANEL;
            const auto fill = [&](auto made) {
                for (long d = 0; d < width; d += LANES) store(to + d, made(take(from + d, LANES), d));
            };
            if (kind == PLAIN) fill([&](Floats values, long) { return values; });
            if (kind == NORMED)
                fill([&](Floats values, long d) { return factors[begin + t] * values * load(weight + place + d); });
            const Activation bend = kind == BY_GELU ? GELU : SILU;
            Floats slope;
            if (up) fill([&](Floats values, long d) { return active(values, bend, &slope) * take(up + d, LANES); });
            if (dropout.seed)
                for (long d = 0; d < width; d += LANES) store(to + d, dropout.of(load(to + d), begin + t, place + d));
        }
        return {scratch, PANEL};
    }
};

// c = or += a · b, as `add` says.
inline void multiply(bool add, const float* a, long row, long step, const float* b, long line, float* c, long width,
                     long rows, long columns, long depth) {
    (add ? multiply<true> : multiply<false>)(a, row, step, b, line, c, width, rows, columns, depth);
}

// Add to rows what `work` adds to lines of float32.
template <typename Work>
void onto(const Rows<float>& to, long begin, long, long place, long, const Work& work) {
    work(to.at(begin) + place, to.stride);
}
// The same by way of sums, which `made` may change.
template <typename T, typename Work, typename Made>
void by_sums(const Rows<T>& to, long begin, long rows, long place, long columns, const Work& work, const Made& made) {
    float sums[CHUNK * PANEL];
    std::fill(sums, sums + rows * PANEL, 0.0f);
    work(sums, PANEL);
    for (long t = 0; t < rows; ++t)
        for (long d = 0; d < columns; d += LANES) {
            T* here = to.at(begin + t) + place + d;
            put(here, take(here, LANES) + made(load(sums + t * PANEL + d), begin + t, place + d), LANES);
        }
}
template <typename Work>
void onto(const Rows<BFloat16>& to, long begin, long rows, long place, long columns, const Work& work) {
    by_sums(to, begin, rows, place, columns, work, [](Floats values, long, long) { return values; });
}

template <typename Work>
void over_panels(long size, const Work& work) {
    for (long place = 0; place < size; place += PANEL) work(place, std::min(PANEL, size - place));
}

template <typename T>
void forward(const Shape& shape, const Source<T>& x, const Rows<T>& out, float* low, int threads) {
    const long inputs = shape.inputs, ranks = shape.ranks;
    Memory memory(inputs * ranks + shape.bs);
    float *a_across = memory.cut(inputs * ranks), *b_across = memory.cut(shape.bs);  // of each layer (rank, outputs), scaled
#pragma omp parallel num_threads(threads)
    {
        Memory own(CHUNK * PANEL);
        float* scratch = own.cut(CHUNK * PANEL);
#pragma omp for nowait
        for (long k = 0; k < inputs; k += WHOLE) {
            std::fill(a_across + k * ranks, a_across + (k + WHOLE) * ranks, 0.0f);
            for (const Layer& layer : shape.layers)
                for (long r = 0; r < layer.rank; ++r)
                    for (long input = k; input < k + WHOLE; ++input)
                        a_across[input * ranks + layer.row + r] = layer.a[r * inputs + input];
        }
        for (const Layer& layer : shape.layers) {
#pragma omp for nowait
            for (long n = 0; n < layer.outputs; n += WHOLE)
                for (long r = 0; r < layer.rank; ++r)
                    for (long output = n; output < n + WHOLE; ++output)
                        b_across[layer.place + r * layer.outputs + output] = layer.scale * layer.b[output * layer.rank + r];
        }
#pragma omp barrier
#pragma omp for
        for (long begin = 0; begin < shape.tokens; begin += CHUNK) {
            const long count = std::min(CHUNK, shape.tokens - begin);
            float* here = low + begin * ranks;
            over_panels(inputs, [&](long k, long width) {
                const Lines seen = x.seen(begin, count, k, width, scratch);
                multiply(k > 0, seen.start, seen.stride, 1, a_across + k * ranks, ranks, here, ranks, count, ranks, width);
            });
            for (const Layer& layer : shape.layers)
                over_panels(layer.outputs, [&](long n, long width) {
                    onto(out, begin, count, layer.column + n, width, [&](float* to, long stride) {
                        multiply<true>(here + layer.row, ranks, 1, b_across + layer.place + n, layer.outputs, to, stride,
                                       count, width, layer.rank);
                    });
                });
        }
    }
}

// `by_x` may be nowhere.
template <typename T>
void backward(const Shape& shape, const Rows<const T>& grad, const Source<T>& x, const float* low, const Rows<T>& by_x,
              int threads) {
    const long inputs = shape.inputs, ranks = shape.ranks, chunks = (shape.tokens + CHUNK - 1) / CHUNK;
    // Each part of the tokens has sums of its own: (ranks, inputs), and of each layer (rank, outputs).
    const long each = ranks * inputs + shape.bs, parts = std::min<long>(threads, chunks);
    Memory memory(shape.bs + parts * each);
    float *b_filled = memory.cut(shape.bs), *sums = memory.cut(parts * each);  // of each layer (outputs, rank), scaled
#pragma omp parallel num_threads(threads)
    {
        Memory own(CHUNK * (ranks + PANEL));
        float *by_low = own.cut(CHUNK * ranks), *scratch = own.cut(CHUNK * PANEL);
        for (const Layer& layer : shape.layers) {
            const long line = filled(layer.rank);
#pragma omp for nowait
            for (long n = 0; n < layer.outputs; ++n) {
                float* to = b_filled + layer.place + n * line;
                for (long r = 0; r < layer.rank; ++r) to[r] = layer.scale * layer.b[n * layer.rank + r];
                std::fill(to + layer.rank, to + line, 0.0f);
            }
        }
#pragma omp barrier
#pragma omp for schedule(static)
        for (long part = 0; part < parts; ++part) {
            float *by_a = sums + part * each, *by_b = by_a + ranks * inputs;
            const long from = part * chunks / parts, to = (part + 1) * chunks / parts;
            for (long chunk = from; chunk < to; ++chunk) {
                const long begin = chunk * CHUNK, count = std::min(CHUNK, shape.tokens - begin);
                const bool more = chunk > from;
                const float* here = low + begin * ranks;
                for (const Layer& layer : shape.layers)
                    over_panels(layer.outputs, [&](long n, long width) {
                        const long line = filled(layer.rank);
                        const Lines wanted = lines(grad, begin, count, layer.column + n, width, scratch);
                        multiply(n > 0, wanted.start, wanted.stride, 1, b_filled + layer.place + n * line, line,
                                 by_low + layer.row, ranks, count, line, width);
                        multiply(more, here + layer.row, 1, ranks, wanted.start, wanted.stride, by_b + layer.place + n,
                                 layer.outputs, layer.rank, width, count);
                    });
                over_panels(inputs, [&](long k, long width) {
                    const auto add = [&](float* to, long stride) {
                        for (const Layer& layer : shape.layers)
                            multiply<true>(by_low + layer.row, ranks, 1, layer.a + k, inputs, to, stride, count, width,
                                           layer.rank);
                    };
                    if (by_x.start && x.dropout.seed)
                        by_sums(by_x, begin, count, k, width, add, [&](Floats values, long token, long place) {
                            return x.dropout.of(values, token, place);
                        });
                    else if (by_x.start)
                        onto(by_x, begin, count, k, width, add);
                    const Lines seen = x.seen(begin, count, k, width, scratch);
                    for (const Layer& layer : shape.layers)
                        multiply(more, by_low + layer.row, 1, ranks, seen.start, seen.stride,
                                 by_a + layer.row * inputs + k, inputs, layer.rank, width, count);
                });
            }
        }
        const auto total = [&](long place) {
            Floats found = {};
            for (long part = 0; part < parts; ++part) found += load(sums + part * each + place);
            return found;
        };
        for (const Layer& layer : shape.layers) {
#pragma omp for nowait
            for (long r = 0; r < layer.rank; ++r)
                for (long k = 0; k < inputs; k += LANES)
                    store(layer.by_a + r * inputs + k, total((layer.row + r) * inputs + k));
#pragma omp for nowait
            for (long n = 0; n < layer.outputs; n += LANES)
                for (long r = 0; r < layer.rank; ++r) {
                    const Floats found = layer.scale * total(ranks * inputs + layer.place + r * layer.outputs + n);
                    for (long lane = 0; lane < LANES; ++lane) layer.by_b[(n + lane) * layer.rank + r] = found[lane];
                }
        }
    }
}

template <typename T>
void run(const Shape& shape, void* const* p, const int64_t* strides, Kind kind, int32_t least, float scale, int back,
         int threads) {
    const auto rows = [&](int at, int stride) { return Rows<T>{static_cast<T*>(p[at]), static_cast<long>(strides[stride])}; };
    const auto read = [&](int at, int stride) {
        return Rows<const T>{static_cast<const T*>(p[at]), static_cast<long>(strides[stride])};
    };
    const Source<T> x{kind, read(0, 0), read(1, 1), static_cast<const float*>(p[2]), static_cast<const float*>(p[1]),
                      {static_cast<const uint32_t*>(p[3]), least, scale, shape.inputs}};
    float* low = static_cast<float*>(p[5]);
    if (back)
        backward<T>(shape, read(4, 2), x, low, rows(6, 3), threads);
    else
        forward<T>(shape, x, rows(4, 2), low, threads);
}

}  // namespace

// `tensors`: x (tokens, inputs); the weight of its norm (float32) or the ups of its gate; the factors of its norm (tokens,
// float32); dropout's seed; out (tokens, outputs) or its gradient; low (tokens, ranks filled up, float32); the gradient of
// x; each layer's A and B in turn; backward, their gradients in the same order. What isn't there is nowhere. `strides` of
// the rows of x, ups, out and the gradient of x. `sizes`: inputs, and each layer's rank and outputs. All widths are
// multiples of 16.
extern "C" void modelforge_low_rank(void* const* tensors, const int64_t* strides, int64_t tokens, const int64_t* sizes,
                                    const float* scales, int layers, int kind, int least, float scale, int back,
                                    int threads) {
    Shape shape{{}, static_cast<long>(tokens), static_cast<long>(sizes[0])};
    float* const* matrices = reinterpret_cast<float* const*>(tensors + 7);
    for (int i = 0; i < layers; ++i) {
        float* const* grads = back ? matrices + 2 * layers + 2 * i : nullptr;
        const long rank = static_cast<long>(sizes[1 + 2 * i]), outputs = static_cast<long>(sizes[2 + 2 * i]);
        shape.layers.push_back({matrices[2 * i], matrices[2 * i + 1], grads ? grads[0] : nullptr,
                                grads ? grads[1] : nullptr, scales[i], rank, outputs, shape.ranks, shape.outputs, shape.bs});
        shape.ranks += filled(rank), shape.outputs += outputs, shape.bs += filled(rank) * outputs;
    }
    run<ELEMENT>(shape, tensors, strides, static_cast<Kind>(kind), least, scale, back, threads);
}
