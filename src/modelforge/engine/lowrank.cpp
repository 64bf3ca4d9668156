// What LoRA (Hu et al. 2021) adds to a product with frozen weights, forward and backward: A x, times B.
//
// Layers that read the same input stand side by side: their A's are one matrix, and each has its own columns of the
// output. Tokens go by in chunks that stay in a core's caches, so that a wide activation is read once for all that is made
// of it. Sums are float32 whatever the activations are; the matrices are float32.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "products.h"

namespace {

constexpr long WHOLE = 16;  // ranks are filled up to whole vectors of any processor; widths have to be such
inline long filled(long count) { return (count + WHOLE - 1) / WHOLE * WHOLE; }

template <typename T>
constexpr long CHUNK = sizeof(T) == sizeof(float) ? 64 : 32;  // tokens; bfloat16 is laid out as float32

struct Layer {
    const float *a, *b;  // (rank, inputs) and (outputs, rank)
    float *by_a, *by_b;
    float scale;
    long rank, outputs;
    long row, column;  // where its rank and its outputs begin among all layers'
};

struct Shape {
    std::vector<Layer> layers;
    long tokens, inputs;
    long ranks = 0, outputs = 0;  // of all layers, ranks filled up
};

// Rows of so many elements, one `stride` after the other.
template <typename T>
struct Rows {
    T* start;
    long stride;
    T* at(long t) const { return start + t * stride; }
};

// Some rows as float32: as they are, or laid out in `scratch`.
struct Lines {
    const float* start;
    long stride;
};
inline Lines lines(const Rows<const float>& from, long begin, long, long, float*) { return {from.at(begin), from.stride}; }
inline Lines lines(const Rows<const BFloat16>& from, long begin, long count, long width, float* scratch) {
    for (long t = 0; t < count; ++t)
        for (long d = 0; d < width; d += LANES) store(scratch + t * width + d, take(from.at(begin + t) + d, LANES));
    return {scratch, width};
}

// to (rows × columns) += a (rows × depth) · b (depth × columns)
inline void add_product(const float* a, long row, const float* b, long line, float* to, long stride, long rows,
                        long columns, long depth) {
    multiply<true>(a, row, 1, b, line, to, stride, rows, columns, depth);
}
inline void add_product(const float* a, long row, const float* b, long line, BFloat16* to, long stride, long rows,
                        long columns, long depth) {
    constexpr long PANEL = 64;
    float sums[CHUNK<BFloat16> * PANEL];
    for (long from = 0; from < columns; from += PANEL) {
        const long width = std::min(PANEL, columns - from);
        multiply<false>(a, row, 1, b + from, line, sums, PANEL, rows, width, depth);
        for (long t = 0; t < rows; ++t)
            for (long d = 0; d < width; d += LANES) {
                BFloat16* here = to + t * stride + from + d;
                put(here, take(here, LANES) + load(sums + t * PANEL + d), LANES);
            }
    }
}

// to (columns × stride) = factor · from (rows × columns), across; some rows of it.
void lay_across(const float* from, long begin, long end, long columns, float factor, float* to, long stride) {
    constexpr long STRIP = 64;
    for (long strip = begin; strip < end; strip += STRIP)
        for (long column = 0; column < columns; ++column)
            for (long row = strip; row < std::min(end, strip + STRIP); ++row)
                to[column * stride + row] = factor * from[row * columns + column];
}

struct Memory {
    std::unique_ptr<float[]> floats;
    float* next;
    explicit Memory(long count) : floats(new float[count + WHOLE]) {
        // Vectors that lie across two lines of the cache are read at half the speed.
        constexpr uintptr_t line = 64;
        next = reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(floats.get()) + line - 1) / line * line);
    }
    float* cut(long count) { return next += count, next - count; }
};

template <typename T>
void forward(const Shape& shape, const Rows<const T>& x, const Rows<T>& out, float* low, int threads) {
    const long inputs = shape.inputs, ranks = shape.ranks;
    Memory memory(inputs * ranks + ranks * shape.outputs);
    float *down = memory.cut(inputs * ranks), *up = memory.cut(ranks * shape.outputs);  // (inputs, ranks), (ranks, outputs)
    std::fill(down, down + inputs * ranks, 0.0f);
#pragma omp parallel num_threads(threads)
    {
        Memory own(CHUNK<T> * inputs);
        for (const Layer& layer : shape.layers) {
#pragma omp for nowait
            for (long k = 0; k < inputs; k += WHOLE)
                for (long input = k; input < k + WHOLE; ++input)
                    for (long r = 0; r < layer.rank; ++r) down[input * ranks + layer.row + r] = layer.a[r * inputs + input];
#pragma omp for nowait
            for (long n = 0; n < layer.outputs; n += WHOLE)
                lay_across(layer.b, n, n + WHOLE, layer.rank, layer.scale, up + layer.row * shape.outputs + layer.column,
                           shape.outputs);
        }
#pragma omp barrier
#pragma omp for
        for (long begin = 0; begin < shape.tokens; begin += CHUNK<T>) {
            const long count = std::min(CHUNK<T>, shape.tokens - begin);
            const Lines seen = lines(x, begin, count, inputs, own.next);
            float* here = low + begin * ranks;
            multiply<false>(seen.start, seen.stride, 1, down, ranks, here, ranks, count, ranks, inputs);
            for (const Layer& layer : shape.layers)
                add_product(here + layer.row, ranks, up + layer.row * shape.outputs + layer.column, shape.outputs,
                            out.at(begin) + layer.column, out.stride, count, layer.outputs, layer.rank);
        }
    }
}

// `by_x` may be nowhere, and so may the layers' own gradients.
template <typename T>
void backward(const Shape& shape, const Rows<const T>& grad, const Rows<const T>& x, const float* low,
              const Rows<T>& by_x, int threads) {
    const long inputs = shape.inputs, ranks = shape.ranks, outputs = shape.outputs;
    const bool learns = shape.layers[0].by_a != nullptr;
    const long sums = learns ? ranks * (inputs + outputs) : 0;  // of each thread: (ranks, inputs), (ranks, outputs)
    Memory memory(ranks * (inputs + outputs) + threads * sums);
    float *down = memory.cut(ranks * inputs), *up = memory.cut(ranks * outputs);  // (ranks, inputs), (outputs, ranks)
    float* all = memory.cut(threads * sums);
    std::fill(down, down + ranks * (inputs + outputs) + threads * sums, 0.0f);
    for (const Layer& layer : shape.layers) {
        std::copy(layer.a, layer.a + layer.rank * inputs, down + layer.row * inputs);
        float* to = up + layer.column * ranks;  // (outputs, its rank filled up)
        for (long n = 0; n < layer.outputs; ++n)
            for (long r = 0; r < layer.rank; ++r) to[n * filled(layer.rank) + r] = layer.scale * layer.b[n * layer.rank + r];
    }
#pragma omp parallel num_threads(threads)
    {
        Memory own(CHUNK<T> * (ranks + inputs + outputs));
        float *by_low = own.cut(CHUNK<T> * ranks), *grads = own.cut(CHUNK<T> * outputs), *inside = own.cut(0);
#pragma omp for schedule(static)
        for (long part = 0; part < threads; ++part) {
            float *by_a = all + part * sums, *by_b = by_a + ranks * inputs;
            const long chunks = (shape.tokens + CHUNK<T> - 1) / CHUNK<T>;
            for (long chunk = part * chunks / threads; chunk < (part + 1) * chunks / threads; ++chunk) {
                const long begin = chunk * CHUNK<T>, count = std::min(CHUNK<T>, shape.tokens - begin);
                const Lines wanted = lines(grad, begin, count, outputs, grads);
                for (const Layer& layer : shape.layers)
                    multiply<false>(wanted.start + layer.column, wanted.stride, 1, up + layer.column * ranks,
                                    filled(layer.rank), by_low + layer.row, ranks, count, filled(layer.rank),
                                    layer.outputs);
                if (by_x.start)
                    add_product(by_low, ranks, down, inputs, by_x.at(begin), by_x.stride, count, inputs, ranks);
                if (!learns) continue;
                const Lines seen = lines(x, begin, count, inputs, inside);
                multiply<true>(by_low, 1, ranks, seen.start, seen.stride, by_a, inputs, ranks, inputs, count);
                for (const Layer& layer : shape.layers)
                    multiply<true>(low + begin * ranks + layer.row, 1, ranks, wanted.start + layer.column, wanted.stride,
                                   by_b + layer.row * outputs + layer.column, outputs, filled(layer.rank), layer.outputs,
                                   count);
            }
        }
        for (const Layer& layer : shape.layers) {
            if (!learns) break;
#pragma omp for nowait
            for (long r = 0; r < layer.rank; ++r)
                for (long k = 0; k < inputs; k += LANES) {
                    Floats total = {};
                    for (long part = 0; part < threads; ++part) total += load(all + part * sums + (layer.row + r) * inputs + k);
                    store(layer.by_a + r * inputs + k, total);
                }
#pragma omp for nowait
            for (long n = 0; n < layer.outputs; n += WHOLE)
                for (long r = 0; r < layer.rank; ++r)
                    for (long output = n; output < n + WHOLE; ++output) {
                        float total = 0;
                        for (long part = 0; part < threads; ++part)
                            total += all[part * sums + ranks * inputs + (layer.row + r) * outputs + layer.column + output];
                        layer.by_b[output * layer.rank + r] = layer.scale * total;
                    }
        }
    }
}

template <typename T>
void run(const Shape& shape, void* const* p, const int64_t* strides, int back, int threads) {
    float* low = static_cast<float*>(p[2]);
    if (!back)
        return forward<T>(shape, {static_cast<const T*>(p[0]), static_cast<long>(strides[0])},
                          {static_cast<T*>(p[1]), static_cast<long>(strides[1])}, low, threads);
    backward<T>(shape, {static_cast<const T*>(p[1]), static_cast<long>(strides[1])},
                {static_cast<const T*>(p[0]), static_cast<long>(strides[0])}, low,
                {static_cast<T*>(p[3]), static_cast<long>(strides[2])}, threads);
}

}  // namespace

// `tensors`. Forward: x (tokens, inputs), out (tokens, outputs), low (tokens, ranks filled up, float32), and each layer's A
// and B. Backward: x, the output's gradient, low, the input's or none, and each layer's A, B, and their gradients or none.
// `strides` of the rows of those but low. `sizes`: tokens, inputs, and each layer's rank and outputs. All widths are
// multiples of 16.
extern "C" void modelforge_low_rank(void* const* tensors, const int64_t* strides, const int64_t* sizes, const float* scales,
                                    int layers, int back, int bfloat16, int threads) {
    Shape shape{{}, static_cast<long>(sizes[0]), static_cast<long>(sizes[1])};
    for (int i = 0; i < layers; ++i) {
        void* const* own = tensors + (back ? 4 + 4 * i : 3 + 2 * i);
        float* const* matrices = reinterpret_cast<float* const*>(own);
        const long rank = static_cast<long>(sizes[2 + 2 * i]), outputs = static_cast<long>(sizes[3 + 2 * i]);
        shape.layers.push_back({matrices[0], matrices[1], back ? matrices[2] : nullptr, back ? matrices[3] : nullptr,
                                scales[i], rank, outputs, shape.ranks, shape.outputs});
        shape.ranks += filled(rank), shape.outputs += outputs;
    }
    (bfloat16 ? run<BFloat16> : run<float>)(shape, tensors, strides, back, threads);
}
