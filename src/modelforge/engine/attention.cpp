// Causal attention over documents that lie end to end, forward and backward, for LoRA training on a CPU.
//
// A task is one document and one head of keys: its keys and values are laid out once, in float32, for all the heads of
// queries that share them; queries and keys are turned by their places on the way, and their gradients back. Queries go
// by in blocks, of those heads together, and a block's scores are written down for the keys that its last query sees,
// queries side by side: so the largest of a query's scores and their sum come from whole vectors. Nothing is computed for
// the future but a corner of the block, and the probabilities of the backward pass come from the logarithms that the
// forward pass left (FlashAttention, Dao et al. 2022, without its blocks of keys: a strip of scores fits a core's cache).
// Sums are float32 whatever the inputs are.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>

#include "products.h"

namespace {

constexpr int BLOCK = WHOLE;  // queries
// Where a block of all heads that share keys would have more scores, fewer of them go by together.
constexpr long SCORES = 256 * 1024;

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

    long sharing() const { return heads / key_heads; }
    // The keys that a block sees at most, of so many.
    long seen(long keys) const { return window ? std::min(keys, filled(window) + 2 * BLOCK) : keys; }
    // How many of the heads that share keys go by together: as many as have no more scores than a core's caches hold.
    long together(long keys) const {
        long count = sharing();
        while (count > 1 && (sharing() % count || count * BLOCK * seen(keys) > SCORES)) --count;
        return count;
    }
    // Scores of a block, at most: a shorter document, of which more heads go by together, may have more.
    long scores(long keys) const {
        return std::max(together(keys) * BLOCK * seen(keys), std::min(SCORES, sharing() * BLOCK * seen(keys)));
    }
};

// A block has its queries of each of some heads, one head after the other.
struct Heads {
    long first, count;
    long lines() const { return count * BLOCK; }
    long of(long line) const { return first + line / BLOCK; }
};

// Of shape (tokens, turned): pairs of a head's first and second half are turned by the angle of their place (RoPE, Su et
// al. 2021); what lies behind `turned` stays.
struct Angles {
    const float *cosines, *sines;
    long turned;
};
constexpr Angles NONE{nullptr, nullptr, 0};

// The heads of some tokens as lines of float32 of whole vectors, turned, and times a factor.
template <typename T>
void lay(const Rows<const T>& from, long begin, long count, long head, long size, float factor, const Angles& angles,
         float* to) {
    const long half = angles.turned / 2;
    for (long t = begin; t < begin + count; ++t, to += up(size)) {
        const T* source = from.at(t, head);
        const float *cosine = angles.cosines + t * angles.turned, *sine = angles.sines + t * angles.turned;
        for (long d = 0; d < half; d += LANES) {
            const long left = half - d;
            Floats one = factor * take(source + d, left), other = factor * take(source + half + d, left);
            put(to + d, one * take(cosine + d, left) - other * take(sine + d, left), left);
            put(to + half + d, other * take(cosine + half + d, left) + one * take(sine + half + d, left), left);
        }
        for (long d = angles.turned; d < size; d += LANES) put(to + d, factor * take(source + d, size - d), size - d);
        std::fill(to + size, to + up(size), 0.0f);
    }
}

// The way back of gradients.
template <typename T>
void hand_back(const float* from, const Rows<T>& to, long begin, long count, long head, long size, float factor,
               const Angles& angles) {
    const long half = angles.turned / 2;
    for (long t = begin; t < begin + count; ++t, from += up(size)) {
        T* target = to.at(t, head);
        const float *cosine = angles.cosines + t * angles.turned, *sine = angles.sines + t * angles.turned;
        for (long d = 0; d < half; d += LANES) {
            const long left = half - d;
            Floats one = factor * take(from + d, left), other = factor * take(from + half + d, left);
            put(target + d, one * take(cosine + d, left) + other * take(sine + half + d, left), left);
            put(target + half + d, other * take(cosine + half + d, left) - one * take(sine + d, left), left);
        }
        for (long d = angles.turned; d < size; d += LANES) put(target + d, factor * take(from + d, size - d), size - d);
    }
}

// A block, with nothing where there are fewer tokens.
template <typename T>
void lay_block(const Rows<const T>& from, long begin, long count, const Heads& heads, long size, float factor,
               const Angles& angles, float* to) {
    const long wide = up(size);
    for (long line = 0; line < heads.lines(); line += BLOCK, to += BLOCK * wide) {
        lay(from, begin, count, heads.of(line), size, factor, angles, to);
        std::fill(to + count * wide, to + BLOCK * wide, 0.0f);
    }
}

// A block's lines (of `width`) as columns.
void lay_across(const float* from, long block, long width, float* to) {
    typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));
    for (long i = 0; i < block; i += 4)
        for (long d = 0; d < width; d += 4) {
            const auto line = [&](long k) { return *reinterpret_cast<const Four*>(from + (i + k) * width + d); };
            const Four a = line(0), b = line(1), c = line(2), e = line(3);
            const Four ab = {a[0], b[0], a[1], b[1]}, ce = {c[0], e[0], c[1], e[1]};
            const Four ab2 = {a[2], b[2], a[3], b[3]}, ce2 = {c[2], e[2], c[3], e[3]};
            const auto column = [&](long k, Four values) {
                *reinterpret_cast<Four*>(to + (d + k) * block + i) = values;
            };
            column(0, Four{ab[0], ab[1], ce[0], ce[1]});
            column(1, Four{ab[2], ab[3], ce[2], ce[3]});
            column(2, Four{ab2[0], ab2[1], ce2[0], ce2[1]});
            column(3, Four{ab2[2], ab2[3], ce2[2], ce2[3]});
        }
}

// The keys that a block of queries sees: from `first`, in whole blocks, `count` of them.
struct Strip {
    long first, count;
    Strip(long begin, long window)
        : first(window ? std::max(0L, begin - window + 1) / BLOCK * BLOCK : 0), count(begin + BLOCK - first) {}
};

// A key's scores, hidden from the places `from` to `to` of each head.
inline void hide(float* scores, long block, long from, long to) {
    for (long head = 0; head < block; head += BLOCK) std::fill(scores + head + from, scores + head + to, -INFINITY);
}

// Scores (keys × queries), bent where there is a cap, with what a query doesn't see made as small as can be.
void score(const float* queries, const float* keys, long block, long begin, const Strip& strip, const Shape& shape,
           float* scores, float* bent) {
    const long wide = up(shape.size);
    multiply<false>(keys + strip.first * wide, wide, 1, queries, block, scores, block, strip.count, block, shape.size);
    if (shape.cap > 0)
        for (long at = 0; at < strip.count * block; at += LANES) {  // tanh
            Floats found = 1.0f - 2.0f / (exponential(load(scores + at) * (2.0f / shape.cap)) + 1.0f);
            store(bent + at, found);
            store(scores + at, shape.cap * found);
        }
    // The keys of the block's own tokens, of which its queries before them know nothing.
    for (long place = 0; place < BLOCK; ++place) hide(scores + (strip.count - BLOCK + place) * block, block, 0, place);
    // And those at least a window before one of its queries.
    for (long key = 0; shape.window && strip.first + key + shape.window < begin + BLOCK; ++key)
        hide(scores + key * block, block, std::max(0L, strip.first + key + shape.window - begin), BLOCK);
}

// The work of all tasks, the longest documents first, on as many threads as torch has.
template <typename Work>
void over(const int64_t* lengths, const Shape& shape, int threads, const Work& work) {
    std::unique_ptr<long[]> starts(new long[shape.documents]), order(new long[shape.documents]);
    long at = 0;
    for (long i = 0; i < shape.documents; at += lengths[i++]) starts[i] = at, order[i] = i;
    std::stable_sort(order.get(), order.get() + shape.documents, [&](long a, long b) { return lengths[a] > lengths[b]; });
    const long floats = work.floats(filled(lengths[order[0]]));
#pragma omp parallel num_threads(threads)
    {
        const Memory memory(floats);
#pragma omp for schedule(dynamic)
        for (long task = 0; task < shape.documents * shape.key_heads; ++task) {
            const long document = order[task / shape.key_heads];
            if (lengths[document] > 0) work.one(starts[document], lengths[document], task % shape.key_heads, memory);
        }
    }
}

template <typename T>
struct Forward {
    Shape shape;
    Angles angles;
    Rows<const T> query, key, value;
    Rows<T> out;
    float* sums;  // of shape (heads, tokens): the logarithm of the sum of the scores' exponentials
    long tokens;

    long floats(long keys) const {
        return 2 * keys * up(shape.size) + 3 * shape.sharing() * BLOCK * up(shape.size) + 2 * shape.scores(keys);
    }

    void one(long start, long length, long group, Scratch scratch) const {
        const long size = shape.size, wide = up(size), whole = filled(length), count = shape.together(whole);
        float *keys = scratch.cut(whole * wide), *values = scratch.cut(whole * wide);
        lay(key, start, length, group, size, 1.0f, angles, keys);
        lay(value, start, length, group, size, 1.0f, NONE, values);
        std::fill(keys + length * wide, keys + whole * wide, 0.0f);
        for (long from = 0; from < shape.sharing(); from += count)
            some(start, length, {group * shape.sharing() + from, count}, keys, values, scratch);
    }

    void some(long start, long length, const Heads& heads, const float* keys, const float* values,
              Scratch scratch) const {
        const long size = shape.size, wide = up(size), block = heads.lines(), longest = shape.seen(filled(length));
        float *queries = scratch.cut(block * wide), *across = scratch.cut(block * wide);
        float *results = scratch.cut(block * wide);
        float *scores = scratch.cut(longest * block), *bent = scratch.cut(longest * block);
        for (long begin = 0; begin < length; begin += BLOCK) {
            const long count = std::min<long>(BLOCK, length - begin);
            const Strip strip(begin, shape.window);
            lay_block(query, start + begin, count, heads, size, shape.scale, angles, queries);
            lay_across(queries, block, wide, across);
            score(across, keys, block, begin, strip, shape, scores, bent);
            for (long column = 0; column < block; column += LANES) {
                Floats peak = load(scores + column), total = {};
                for (long at = column; at < strip.count * block; at += block) {
                    Floats next = load(scores + at);
                    peak = next > peak ? next : peak;
                }
                for (long at = column; at < strip.count * block; at += block) {
                    Floats likely = exponential(load(scores + at) - peak);
                    store(scores + at, likely);
                    total += likely;
                }
                // The queries are laid across already: their memory serves for what their results are multiplied by.
                store(queries + column, 1.0f / total);
                const long place = column % BLOCK;
                for (long lane = 0; lane < std::min<long>(LANES, count - place); ++lane)
                    sums[heads.of(column) * tokens + start + begin + place + lane] = peak[lane] + std::log(total[lane]);
            }
            // What lies behind the document's end has no value, and is seen by nobody.
            const long seen = std::min(strip.count, length - strip.first);
            multiply<false>(scores, 1, block, values + strip.first * wide, wide, results, wide, block, wide, seen);
            for (long line = 0; line < block; ++line)
                if (line % BLOCK < count)
                    hand_back(results + line * wide, out, start + begin + line % BLOCK, 1, heads.of(line), size,
                              queries[line], NONE);
        }
    }
};

template <typename T>
struct Backward {
    Shape shape;
    Angles angles;
    Rows<const T> grad, query, key, value, out;
    const float* sums;
    Rows<T> by_query, by_key, by_value;
    long tokens;

    long floats(long keys) const {
        return 4 * keys * up(shape.size) + shape.sharing() * BLOCK * (5 * up(shape.size) + 2) + 3 * shape.scores(keys);
    }

    void one(long start, long length, long group, Scratch scratch) const {
        const long size = shape.size, wide = up(size), whole = filled(length), count = shape.together(whole);
        float *keys = scratch.cut(whole * wide), *values = scratch.cut(whole * wide);
        float *to_keys = scratch.cut(whole * wide), *to_values = scratch.cut(whole * wide);
        lay(key, start, length, group, size, 1.0f, angles, keys);
        lay(value, start, length, group, size, 1.0f, NONE, values);
        std::fill(keys + length * wide, keys + whole * wide, 0.0f);
        std::fill(values + length * wide, values + whole * wide, 0.0f);
        std::fill(to_keys, to_keys + whole * wide, 0.0f);
        std::fill(to_values, to_values + whole * wide, 0.0f);
        for (long from = 0; from < shape.sharing(); from += count)
            some(start, length, {group * shape.sharing() + from, count}, keys, values, to_keys, to_values, scratch);
        hand_back(to_keys, by_key, start, length, group, size, 1.0f, angles);
        hand_back(to_values, by_value, start, length, group, size, 1.0f, NONE);
    }

    void some(long start, long length, const Heads& heads, const float* keys, const float* values, float* to_keys,
              float* to_values, Scratch scratch) const {
        const long size = shape.size, wide = up(size), block = heads.lines(), longest = shape.seen(filled(length));
        float *queries = scratch.cut(block * wide), *queries_across = scratch.cut(block * wide);
        float *wanted = scratch.cut(block * wide), *wanted_across = scratch.cut(block * wide);
        float *results = scratch.cut(block * wide), *scores = scratch.cut(longest * block);
        float *slopes = scratch.cut(longest * block), *bent = scratch.cut(longest * block);
        float *means = scratch.cut(block), *totals = scratch.cut(block);
        for (long begin = 0; begin < length; begin += BLOCK) {
            const long count = std::min<long>(BLOCK, length - begin);
            const Strip strip(begin, shape.window);
            const long first = strip.first * wide;
            lay_block(query, start + begin, count, heads, size, shape.scale, angles, queries);
            lay_block(grad, start + begin, count, heads, size, 1.0f, NONE, wanted);
            lay_across(queries, block, wide, queries_across);
            lay_across(wanted, block, wide, wanted_across);
            score(queries_across, keys, block, begin, strip, shape, scores, bent);
            multiply<false>(values + first, wide, 1, wanted_across, block, slopes, block, strip.count, block, size);
            for (long line = 0; line < block; ++line) {
                const long place = line % BLOCK;
                Floats both = {};
                if (place < count) {
                    const T* result = out.at(start + begin + place, heads.of(line));
                    for (long d = 0; d < size; d += LANES)
                        both += load(wanted + line * wide + d) * take(result + d, size - d);
                }
                means[line] = sum(both);
                totals[line] = place < count ? sums[heads.of(line) * tokens + start + begin + place] : 0.0f;
            }
            for (long column = 0; column < block; column += LANES) {
                const Floats mean = load(means + column), total = load(totals + column);
                for (long at = column; at < strip.count * block; at += block) {
                    Floats likely = exponential(load(scores + at) - total);
                    Floats slope = likely * (load(slopes + at) - mean);
                    if (shape.cap > 0) slope *= 1.0f - load(bent + at) * load(bent + at);
                    store(scores + at, likely);
                    store(slopes + at, slope);
                }
            }
            const long seen = std::min(strip.count, length - strip.first);
            multiply<false>(slopes, 1, block, keys + first, wide, results, wide, block, wide, seen);
            for (long line = 0; line < block; line += BLOCK)
                hand_back(results + line * wide, by_query, start + begin, count, heads.of(line), size, shape.scale,
                          angles);
            multiply<true>(scores, block, 1, wanted, wide, to_values + first, wide, strip.count, wide, block);
            multiply<true>(slopes, block, 1, queries, wide, to_keys + first, wide, strip.count, wide, block);
        }
    }
};

template <typename T>
Rows<T> rows(void* start, const int64_t* strides) {
    return {static_cast<T*>(start), static_cast<long>(strides[0]), static_cast<long>(strides[1])};
}

template <typename T>
void forward(void* const* p, const int64_t* s, const int64_t* lengths, const Shape& shape, const Angles& angles,
             long tokens, int threads) {
    over(lengths, shape, threads,
         Forward<T>{shape, angles, rows<const T>(p[0], s), rows<const T>(p[1], s + 2), rows<const T>(p[2], s + 4),
                    rows<T>(p[3], s + 6), static_cast<float*>(p[4]), tokens});
}

template <typename T>
void backward(void* const* p, const int64_t* s, const int64_t* lengths, const Shape& shape, const Angles& angles,
              long tokens, int threads) {
    over(lengths, shape, threads,
         Backward<T>{shape, angles, rows<const T>(p[0], s), rows<const T>(p[1], s + 2), rows<const T>(p[2], s + 4),
                     rows<const T>(p[3], s + 6), rows<const T>(p[4], s + 8), static_cast<const float*>(p[8]),
                     rows<T>(p[5], s + 10), rows<T>(p[6], s + 12), rows<T>(p[7], s + 14), tokens});
}

}  // namespace

// `tensors` of shape (tokens, heads, size) with a `strides` of two each, the float32 sums last. Forward: query, key,
// value, out. Backward: grad, query, key, value, out, by_query, by_key, by_value. `sizes`: documents, heads, heads of
// keys, size of a head, window, tokens, and how many elements of a head are turned by `cosines` and `sines`.
extern "C" void modelforge_attention(void* const* tensors, const int64_t* strides, const int64_t* lengths,
                                     const float* cosines, const float* sines, const int64_t* sizes, float scale,
                                     float cap, int back, int threads) {
    const Shape shape{static_cast<long>(sizes[0]), static_cast<long>(sizes[1]), static_cast<long>(sizes[2]),
                      static_cast<long>(sizes[3]), static_cast<long>(sizes[4]), scale, cap};
    const long tokens = static_cast<long>(sizes[5]);
    const Angles angles{cosines, sines, static_cast<long>(sizes[6])};
    (back ? backward<ELEMENT> : forward<ELEMENT>)(tensors, strides, lengths, shape, angles, tokens, threads);
}
