// Causal attention over documents that lie end to end, forward and backward, for LoRA training on a CPU.
//
// A task is one document and one head of keys: its keys and values are laid out once, in float32, for all the heads of
// queries that share them. Queries go by in blocks; a block's scores are written down as far as the last of its tokens
// sees, so nothing is computed for the future but a corner of the block, and the probabilities of the backward pass come
// from the logarithms that the forward pass left (FlashAttention, Dao et al. 2022, without its blocks of keys: a strip
// of scores fits a core's cache). Sums are float32 whatever the inputs are.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>

#include "../vectors.h"

namespace {

// A tile of results stays in registers: ROWS of COLUMNS vectors, beside a line of COLUMNS and one number.
#if defined(__AVX512F__)
constexpr int ROWS = 6, COLUMNS = 4;
#elif defined(__AVX__)
constexpr int ROWS = 6, COLUMNS = 2;
#else
constexpr int ROWS = 6, COLUMNS = 4;
#endif
constexpr int BLOCK = 4 * ROWS;  // queries

template <int R, int C>
void tile(const float* a, long row, long step, const float* b, long line, float* c, long width, long depth, bool add) {
    Floats result[R][C];
    for (int i = 0; i < R; ++i)
        for (int j = 0; j < C; ++j) result[i][j] = add ? load(c + i * width + j * LANES) : Floats{};
    for (long k = 0; k < depth; ++k) {
        Floats right[C];
        for (int j = 0; j < C; ++j) right[j] = load(b + k * line + j * LANES);
        for (int i = 0; i < R; ++i) {
            float left = a[i * row + k * step];
            for (int j = 0; j < C; ++j) result[i][j] += left * right[j];
        }
    }
    for (int i = 0; i < R; ++i)
        for (int j = 0; j < C; ++j) store(c + i * width + j * LANES, result[i][j]);
}

template <int C>
void tiles(const float* a, long row, long step, const float* b, long line, float* c, long width, long rows, long depth,
           bool add) {
    for (; rows >= ROWS; rows -= ROWS, a += ROWS * row, c += ROWS * width)
        tile<ROWS, C>(a, row, step, b, line, c, width, depth, add);
    for (; rows > 0; --rows, a += row, c += width) tile<1, C>(a, row, step, b, line, c, width, depth, add);
}

// c (rows × columns) = or += a (rows × depth, its elements `row` and `step` apart) · b (depth × columns). Columns come
// in whole vectors.
void multiply(const float* a, long row, long step, const float* b, long line, float* c, long width, long rows,
              long columns, long depth, bool add) {
    for (; columns >= COLUMNS * LANES; columns -= COLUMNS * LANES, b += COLUMNS * LANES, c += COLUMNS * LANES)
        tiles<COLUMNS>(a, row, step, b, line, c, width, rows, depth, add);
    for (; columns > 0; columns -= LANES, b += LANES, c += LANES)
        tiles<1>(a, row, step, b, line, c, width, rows, depth, add);
}

// Of shape (tokens, heads, size); the elements of a head lie one after the other.
template <typename T>
struct Rows {
    T* start;
    long token, head;
    T* at(long t, long h) const { return start + t * token + h * head; }
};

struct Shape {
    long documents, heads, key_heads, size, window;
    float scale, cap;
};

template <typename T>
void lay(const Rows<const T>& from, long begin, long count, long head, long size, float factor, float* to) {
    const long width = up(size);
    for (long t = 0; t < count; ++t, to += width) {
        const T* source = from.at(begin + t, head);
        for (long d = 0; d < size; ++d) to[d] = factor * read(source[d]);
        std::fill(to + size, to + width, 0.0f);
    }
}

template <typename T>
void lay_across(const Rows<const T>& from, long begin, long count, long head, long size, long width, float* to) {
    for (long t = 0; t < count; ++t) {
        const T* source = from.at(begin + t, head);
        for (long d = 0; d < size; ++d) to[d * width + t] = read(source[d]);
    }
    for (long d = 0; d < size; ++d) std::fill(to + d * width + count, to + (d + 1) * width, 0.0f);
}

template <typename T>
void hand_back(const float* from, const Rows<T>& to, long begin, long count, long head, long size, float factor) {
    for (long t = 0; t < count; ++t) {
        T* target = to.at(begin + t, head);
        for (long d = 0; d < size; ++d) write(target + d, factor * from[t * up(size) + d]);
    }
}

// The keys that a block of queries sees: from `first`, in whole vectors, `count` of them.
struct Strip {
    long first, count;
    Strip(long begin, long queries, long window) {
        first = window ? std::max(0L, begin - window + 1) / LANES * LANES : 0;
        count = up(begin + queries - first);
    }
};

// Scores, bent where there is a cap, with what a query doesn't see made as small as can be.
void score(const float* queries, const float* keys, long width, long begin, long count, const Strip& strip,
           const Shape& shape, float* scores, long line, float* bent) {
    multiply(queries, up(shape.size), 1, keys + strip.first, width, scores, line, count, strip.count, shape.size, false);
    for (long i = 0; i < count; ++i) {
        float* row = scores + i * line;
        if (shape.cap > 0)
            for (long j = 0; j < strip.count; j += LANES) {  // tanh
                Floats found = 1.0f - 2.0f / (exponential(load(row + j) * (2.0f / shape.cap)) + 1.0f);
                store(bent + i * line + j, found);
                store(row + j, shape.cap * found);
            }
        long here = begin + i - strip.first;
        std::fill(row + here + 1, row + strip.count, -INFINITY);
        if (shape.window && here - shape.window + 1 > 0) std::fill(row, row + here - shape.window + 1, -INFINITY);
    }
}

// The work of all tasks, the longest documents first, on as many threads as torch has.
template <typename Work>
void over(const int64_t* lengths, const Shape& shape, int threads, const Work& work) {
    std::unique_ptr<long[]> starts(new long[shape.documents]), order(new long[shape.documents]);
    long at = 0;
    for (long i = 0; i < shape.documents; at += lengths[i++]) starts[i] = at, order[i] = i;
    std::stable_sort(order.get(), order.get() + shape.documents, [&](long a, long b) { return lengths[a] > lengths[b]; });
    long longest = up(lengths[order[0]]);
#pragma omp parallel num_threads(threads)
    {
        std::unique_ptr<float[]> memory(new float[work.floats(longest)]);
#pragma omp for schedule(dynamic)
        for (long task = 0; task < shape.documents * shape.key_heads; ++task) {
            long document = order[task / shape.key_heads];
            work.one(starts[document], lengths[document], task % shape.key_heads, memory.get());
        }
    }
}

template <typename T>
struct Forward {
    Shape shape;
    Rows<const T> query, key, value;
    Rows<T> out;
    float* sums;  // of shape (heads, tokens): the logarithm of the sum of the scores' exponentials
    long tokens;

    long floats(long longest) const { return 2 * longest * up(shape.size) + 2 * BLOCK * (up(shape.size) + longest); }

    void one(long start, long length, long group, float* memory) const {
        const long size = shape.size, wide = up(size), width = up(length), each = shape.heads / shape.key_heads;
        float *keys = memory, *values = keys + width * wide, *queries = values + width * wide;
        float *results = queries + BLOCK * wide, *scores = results + BLOCK * wide, *bent = scores + BLOCK * width;
        lay_across(key, start, length, group, size, width, keys);
        lay(value, start, length, group, size, 1.0f, values);
        for (long head = group * each; head < (group + 1) * each; ++head)
            for (long begin = 0; begin < length; begin += BLOCK) {
                const long count = std::min<long>(BLOCK, length - begin);
                const Strip strip(begin, count, shape.window);
                lay(query, start + begin, count, head, size, shape.scale, queries);
                score(queries, keys, width, begin, count, strip, shape, scores, width, bent);
                float part[BLOCK];
                for (long i = 0; i < count; ++i) {
                    float* row = scores + i * width;
                    Floats most = load(row), total = {};
                    for (long j = LANES; j < strip.count; j += LANES) {
                        Floats next = load(row + j);
                        most = next > most ? next : most;
                    }
                    const float peak = largest(most);
                    for (long j = 0; j < strip.count; j += LANES) {
                        Floats likely = exponential(load(row + j) - peak);
                        store(row + j, likely);
                        total += likely;
                    }
                    part[i] = 1.0f / sum(total);
                    sums[head * tokens + start + begin + i] = peak - std::log(part[i]);
                }
                // What lies behind the document's end has no value, and is seen by nobody.
                const long seen = std::min(strip.count, length - strip.first);
                multiply(scores, width, 1, values + strip.first * wide, wide, results, wide, count, wide, seen, false);
                for (long i = 0; i < count; ++i)
                    hand_back(results + i * wide, out, start + begin + i, 1, head, size, part[i]);
            }
    }
};

template <typename T>
struct Backward {
    Shape shape;
    Rows<const T> grad, query, key, value, out;
    const float* sums;
    Rows<T> by_query, by_key, by_value;
    long tokens;

    long floats(long longest) const { return 5 * longest * up(shape.size) + 3 * BLOCK * (up(shape.size) + longest); }

    void one(long start, long length, long group, float* memory) const {
        const long size = shape.size, wide = up(size), width = up(length), each = shape.heads / shape.key_heads;
        float *keys = memory, *keys_across = keys + width * wide, *values_across = keys_across + width * wide;
        float *to_keys = values_across + width * wide, *to_values = to_keys + width * wide;
        float *queries = to_values + width * wide, *wanted = queries + BLOCK * wide, *results = wanted + BLOCK * wide;
        float *scores = results + BLOCK * wide, *slopes = scores + BLOCK * width, *bent = slopes + BLOCK * width;
        lay(key, start, length, group, size, 1.0f, keys);
        lay_across(key, start, length, group, size, width, keys_across);
        lay_across(value, start, length, group, size, width, values_across);
        std::fill(to_keys, to_keys + 2 * width * wide, 0.0f);
        for (long head = group * each; head < (group + 1) * each; ++head)
            for (long begin = 0; begin < length; begin += BLOCK) {
                const long count = std::min<long>(BLOCK, length - begin);
                const Strip strip(begin, count, shape.window);
                lay(query, start + begin, count, head, size, shape.scale, queries);
                lay(grad, start + begin, count, head, size, 1.0f, wanted);
                score(queries, keys_across, width, begin, count, strip, shape, scores, width, bent);
                multiply(wanted, wide, 1, values_across + strip.first, width, slopes, width, count, strip.count, size,
                         false);
                for (long i = 0; i < count; ++i) {
                    const T* result = out.at(start + begin + i, head);
                    float mean = 0;
                    for (long d = 0; d < size; ++d) mean += wanted[i * wide + d] * read(result[d]);
                    const float total = sums[head * tokens + start + begin + i];
                    for (long j = i * width; j < i * width + strip.count; j += LANES) {
                        Floats likely = exponential(load(scores + j) - total);
                        Floats slope = likely * (load(slopes + j) - mean);
                        if (shape.cap > 0) slope *= 1.0f - load(bent + j) * load(bent + j);
                        store(scores + j, likely);
                        store(slopes + j, slope);
                    }
                }
                const long seen = std::min(strip.count, length - strip.first), first = strip.first * wide;
                multiply(slopes, width, 1, keys + first, wide, results, wide, count, wide, seen, false);
                hand_back(results, by_query, start + begin, count, head, size, shape.scale);
                multiply(scores, 1, width, wanted, wide, to_values + first, wide, seen, wide, count, true);
                multiply(slopes, 1, width, queries, wide, to_keys + first, wide, seen, wide, count, true);
            }
        hand_back(to_keys, by_key, start, length, group, size, 1.0f);
        hand_back(to_values, by_value, start, length, group, size, 1.0f);
    }
};

template <typename T>
Rows<T> rows(void* start, const int64_t* strides) {
    return {static_cast<T*>(start), static_cast<long>(strides[0]), static_cast<long>(strides[1])};
}

template <typename T>
void forward(void* const* p, const int64_t* s, const int64_t* lengths, const Shape& shape, long tokens, int threads) {
    over(lengths, shape, threads,
         Forward<T>{shape, rows<const T>(p[0], s), rows<const T>(p[1], s + 2), rows<const T>(p[2], s + 4),
                    rows<T>(p[3], s + 6), static_cast<float*>(p[4]), tokens});
}

template <typename T>
void backward(void* const* p, const int64_t* s, const int64_t* lengths, const Shape& shape, long tokens, int threads) {
    over(lengths, shape, threads,
         Backward<T>{shape, rows<const T>(p[0], s), rows<const T>(p[1], s + 2), rows<const T>(p[2], s + 4),
                     rows<const T>(p[3], s + 6), rows<const T>(p[4], s + 8), static_cast<const float*>(p[8]),
                     rows<T>(p[5], s + 10), rows<T>(p[6], s + 12), rows<T>(p[7], s + 14), tokens});
}

}  // namespace

// `tensors` of shape (tokens, heads, size) with a `strides` of two each, the float32 sums last. Forward: query, key,
// value, out. Backward: grad, query, key, value, out, by_query, by_key, by_value. `sizes`: documents, heads, heads of
// keys, size of a head, window, tokens.
extern "C" void modelforge_attention(void* const* tensors, const int64_t* strides, const int64_t* lengths,
                                     const int64_t* sizes, float scale, float cap, int back, int bfloat16,
                                     int threads) {
    const Shape shape{static_cast<long>(sizes[0]), static_cast<long>(sizes[1]), static_cast<long>(sizes[2]),
                      static_cast<long>(sizes[3]), static_cast<long>(sizes[4]), scale, cap};
    const long tokens = static_cast<long>(sizes[5]);
    auto run = back ? (bfloat16 ? backward<BFloat16> : backward<float>) : (bfloat16 ? forward<BFloat16> : forward<float>);
    run(tensors, strides, lengths, shape, tokens, threads);
}
