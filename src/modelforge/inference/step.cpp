// One more token for each of a few rows of a cache, through all layers of a decoder of Llama's kind, on a CPU.
//
// What takes the time is reading the weights, so each is read once for all rows, in order, and all else stays in the
// caches of the cores. One team of threads goes through the phases of a layer together: queries, keys and values;
// attention; its output layer; gate and up; down. What lies between two products, sums and norms of a few rows and the
// first product of an adapter, every thread computes for itself: that takes less than another meeting. Sums are float32
// whatever the weights are, and weights may be of half the size of what is computed in.
#include <omp.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>
#include <type_traits>
#include <vector>

#include "../vectors.h"
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace {

// A tile of sums stays in registers, beside the vectors that are multiplied.
#if defined(__AVX512F__)
constexpr int SUMS = 24;
#else
constexpr int SUMS = 8;
#endif
constexpr int TOGETHER = 8;  // rows of one tile, at most
constexpr int LOT = 24;      // outputs that a thread takes at once come in multiples of this, which all tiles divide
constexpr int PIECE = 2 * LOT;  // outputs of gate and up that are computed before they are multiplied
constexpr int SHARES = 8;  // of a thread in each product: one that is held up leaves its others to those that are not
// Turns of waiting before a thread gives up its core, about 20 µs at most: longer than threads that all run wait for
// each other. The fewer, the more often it was in vain: one that is waited for may want this very core.
constexpr int PATIENCE = 1000, LEAST_PATIENCE = 16, YIELDS = 16;

inline Floats wide(const float* from) { return load(from); }
inline Floats wide(const BFloat16* from) {
    typedef uint16_t Halves __attribute__((vector_size(LANES * 2), aligned(2), may_alias));
    Ints bits = __builtin_convertvector(*reinterpret_cast<const Halves*>(from), Ints) << 16;
    return reinterpret_cast<Floats&>(bits);
}

// How a product takes its numbers: STEP weights and as many inputs at once.
template <typename T>
struct Single {
    using Weight = T;
    using Input = float;
    static constexpr int STEP = LANES;
    static Floats weights(const T* from) { return wide(from); }
    static Floats inputs(const float* from) { return load(from); }
    static Floats add(Floats sum, Floats weights, Floats inputs) { return sum + weights * inputs; }
};
#if defined(__AVX512BF16__)
struct Pairs {
    using Weight = BFloat16;
    using Input = BFloat16;
    static constexpr int STEP = 2 * LANES;
    static __m512bh weights(const BFloat16* from) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(from)); }
    static __m512bh inputs(const BFloat16* from) { return weights(from); }
    static Floats add(Floats sum, __m512bh weights, __m512bh inputs) {
        return _mm512_dpbf16_ps(sum, inputs, weights);
    }
};
using Halved = Pairs;
#else
using Halved = Single<BFloat16>;
#endif

// The sums of eight vectors, together where that is less work.
inline void eight(const Floats* vectors, float* to) {
#if defined(__AVX512F__)
    Floats four[4], two[2];
    for (int i = 0; i < 4; ++i)
        four[i] = _mm512_unpacklo_ps(vectors[2 * i], vectors[2 * i + 1]) +
                  _mm512_unpackhi_ps(vectors[2 * i], vectors[2 * i + 1]);
    for (int i = 0; i < 2; ++i) {
        const __m512d one = _mm512_castps_pd(four[2 * i]), other = _mm512_castps_pd(four[2 * i + 1]);
        two[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(one, other)) + _mm512_castpd_ps(_mm512_unpackhi_pd(one, other));
    }
    Floats last = _mm512_shuffle_f32x4(two[0], two[1], 0x44) + _mm512_shuffle_f32x4(two[0], two[1], 0xee);
    last += _mm512_shuffle_f32x4(last, last, 0xb1);
    for (int i = 0; i < 4; ++i) to[i] = last[i], to[4 + i] = last[8 + i];
#else
    for (int i = 0; i < 8; ++i) to[i] = sum(vectors[i]);
#endif
}

constexpr long padded(long count) { return (count + 2 * LANES - 1) / (2 * LANES) * (2 * LANES); }

// W outputs of R rows. Rows of weights are `depth` apart, rows of inputs `width` and padded with zeros, those of
// outputs `stride`.
template <typename P, int R, int W>
void tile(const typename P::Weight* weights, long depth, const typename P::Input* inputs, long width, float* out,
          long stride) {
    constexpr int ALL = (R * W + 7) / 8 * 8;
    Floats sums[ALL];
    for (int i = 0; i < ALL; ++i) sums[i] = Floats{};
    const auto add = [&](const typename P::Weight* from, long apart, long k) {
        decltype(P::weights(from)) left[W];
        for (int j = 0; j < W; ++j) left[j] = P::weights(from + j * apart);
        for (int i = 0; i < R; ++i) {
            const auto right = P::inputs(inputs + i * width + k);
            for (int j = 0; j < W; ++j) sums[i * W + j] = P::add(sums[i * W + j], left[j], right);
        }
    };
    long k = 0;
    for (; k + P::STEP <= depth; k += P::STEP) {
        for (int j = 0; j < W; ++j) __builtin_prefetch(weights + (W + j) * depth + k );
        add(weights + k, depth, k);
    }
    if (k < depth) {
        typename P::Weight rest[W][P::STEP] = {};
        for (int j = 0; j < W; ++j) std::copy(weights + j * depth + k, weights + (j + 1) * depth, rest[j]);
        add(rest[0], P::STEP, k);
    }
    float results[ALL];
    for (int i = 0; i < ALL; i += 8) eight(sums + i, results + i);
    for (int i = 0; i < R; ++i)
        for (int j = 0; j < W; ++j) out[i * stride + j] = results[i * W + j];
}

template <typename P, int R>
void tiles(const typename P::Weight* weights, long depth, long count, const typename P::Input* inputs, long width,
           float* out, long stride) {
    constexpr int W = std::min(8, SUMS / R);
    for (; count >= W; count -= W, weights += W * depth, out += W)
        tile<P, R, W>(weights, depth, inputs, width, out, stride);
    for (; count > 0; --count, weights += depth, ++out) tile<P, R, 1>(weights, depth, inputs, width, out, stride);
}

// out (rows × count) = inputs (rows × depth) · weights (count × depth), transposed
template <typename P>
void multiply(const typename P::Weight* weights, long depth, long count, const typename P::Input* inputs, long width,
              long rows, float* out, long stride) {
    constexpr decltype(&tiles<P, 1>) ways[] = {tiles<P, 1>, tiles<P, 2>, tiles<P, 3>, tiles<P, 4>,
                                               tiles<P, 5>, tiles<P, 6>, tiles<P, 7>, tiles<P, 8>};
    for (; rows > 0; rows -= TOGETHER, inputs += TOGETHER * width, out += TOGETHER * stride)
        ways[std::min<long>(rows, TOGETHER) - 1](weights, depth, count, inputs, width, out, stride);
}

// out = the sum of `count` values, each `size` numbers, by their shares
template <int C, typename T>
void blend(const T* values, long count, long size, const float* shares, float* out) {
    Floats sums[C];
    for (int c = 0; c < C; ++c) sums[c] = Floats{};
    for (long t = 0; t < count; ++t)
        for (int c = 0; c < C; ++c) sums[c] += shares[t] * wide(values + t * size + c * LANES);
    for (int c = 0; c < C; ++c) store(out + c * LANES, sums[c]);
}
template <typename T>
void blend(const T* values, long count, long size, const float* shares, float* out) {
    long d = 0;
    for (; d + 4 * LANES <= size; d += 4 * LANES) blend<4>(values + d, count, size, shares, out + d);
    for (; d + LANES <= size; d += LANES) blend<1>(values + d, count, size, shares, out + d);
    for (; d < size; ++d) {
        out[d] = 0;
        for (long t = 0; t < count; ++t) out[d] += shares[t] * read(values[t * size + d]);
    }
}

// What brings a number of numbers to a mean square of one.
inline float evened(const float* numbers, long count, float epsilon) {
    Floats squares = {};
    long at = 0;
    for (; at + LANES <= count; at += LANES) squares += load(numbers + at) * load(numbers + at);
    float total = sum(squares);
    for (; at < count; ++at) total += numbers[at] * numbers[at];
    return 1.0f / std::sqrt(total / count + epsilon);
}

// g · 1 / (1 + e^-s): SiLU where s is g, the tangent's GELU where it is that of GELU.
inline Floats gated(Floats g, bool gelu) {
    Floats s = gelu ? 1.5957691216f * (g + 0.044715f * g * g * g) : g;
    const Floats lowest = all(-87.0f);
    s = s < lowest ? lowest : s;
    return g / (1.0f + exponential(-s));
}

inline Floats bent(Floats x, float cap) {  // cap · tanh(x / cap)
    const Floats most = all(80.0f);
    x = x * (2.0f / cap);
    x = x > most ? most : x;
    return cap - 2.0f * cap / (exponential(x) + 1.0f);
}

// Threads that do each phase together. What is left of a phase goes to whoever is free.
class Team {
  public:
    int size = 1;

    template <typename Work>
    void share(long total, long lot, int& patience, const Work& work) {
        const long most = (total / (SHARES * size) / lot + 1) * lot;
        for (long first; (first = next_.fetch_add(most, std::memory_order_relaxed)) < total;)
            work(first, std::min(first + most, total));
        meet(patience);
    }

  private:
    void meet(int& patience) {
        const int now = round_.load(std::memory_order_acquire);
        if (here_.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
            here_.store(0, std::memory_order_relaxed);
            next_.store(0, std::memory_order_relaxed);
            round_.store(now + 1, std::memory_order_release);
            return;
        }
        for (int turn = 0; turn < patience; ++turn) {
            if (round_.load(std::memory_order_acquire) != now) {
                patience = std::min(2 * patience, PATIENCE);
                return;
            }
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
        patience = std::max(patience / 2, LEAST_PATIENCE);
        for (int turn = 0; round_.load(std::memory_order_acquire) == now; ++turn) {
            if (turn < YIELDS)
                sched_yield();
            else  // what it burns now, the scheduler would take from its share of the next phases
                std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
    }

    alignas(64) std::atomic<long> next_{0};
    alignas(64) std::atomic<int> here_{0};
    alignas(64) std::atomic<int> round_{0};
};

// What an adapter adds is up · (down · inputs), its scale within; null where there is none.
struct Matrix {
    const void* weight;  // (outputs × inputs)
    const float* bias;   // or null
    const void* down;    // (rank × inputs), of the type that is computed in
    const float* up;     // (outputs × rank)
};

// A layer as a table of addresses. Norms that it doesn't have are null.
struct Layer {
    Matrix query, key, value, output, gate, up, down;
    const float *before_attention, *of_query, *of_key, *after_attention, *before_mlp, *after_mlp;
    void *keys, *values;      // of shape (rows, heads of keys, capacity, size), of the type that is computed in
    const float *cos, *sin;   // of shape (rows, rotated); null where positions don't count
};
static_assert(sizeof(Layer) == 38 * sizeof(void*), "a table of addresses");

struct Shape {
    int64_t layers, hidden, heads, key_heads, size, mlp, vocabulary;
    int64_t whole;  // whether the norms of queries and keys are over all heads
    int64_t gelu;   // SiLU otherwise
    int64_t rank;   // of all adapters
    int64_t rotated, capacity, rows;
};
struct Factors {
    float epsilon, scores, cap, residual, logits, logits_cap;  // a cap of 0 is none
};

// P takes the weights, Q all else.
template <typename P, typename Q>
struct Step {
    using Number = typename Q::Weight;
    using Input = typename P::Input;
    static_assert(std::is_same_v<Input, typename Q::Input>);

    const Layer* layers;
    const int64_t* windows;  // per layer; 0 means that all is seen
    const Shape& s;
    const Factors& f;
    const int64_t* lengths;
    const float* embedded;  // (rows × hidden)
    const float* norm;
    Matrix head;
    float* logits;  // (rows × vocabulary)

    const long queries = s.heads * s.size, known = s.key_heads * s.size, wide_hidden = padded(s.hidden),
               wide_queries = padded(queries), wide_mlp = padded(s.mlp), wide_rank = padded(s.rank);
    std::vector<float> asked = std::vector<float>(s.rows * (queries + 2 * known));
    std::vector<float> added = std::vector<float>(s.rows * s.hidden);
    std::vector<Input> seen = std::vector<Input>(s.rows * wide_queries);
    std::vector<Input> between = std::vector<Input>(s.rows * wide_mlp);

    // What a thread has for itself.
    struct Own {
        std::vector<float> stream, scores, pieces, numbers;
        std::vector<float> low, more;  // inputs times `down` of the matrices of a phase; what `up` makes of one
        std::vector<Input> normed, query;
        std::vector<Number> key;
        int patience = PATIENCE;
    };

    // `place` is that of the matrix in its phase, which `lower` was told.
    void product(const Matrix& matrix, long depth, long first, long last, const Input* inputs, long width, float* out,
                 long stride, Own& own, long place = 0) const {
        const long rows = s.rows, count = last - first;
        multiply<P>(static_cast<const typename P::Weight*>(matrix.weight) + first * depth, depth, count, inputs, width, rows, out,
                    stride);
        if (matrix.bias)
            for (long r = 0; r < rows; ++r)
                for (long n = 0; n < count; ++n) out[r * stride + n] += matrix.bias[first + n];
        if (!matrix.up) return;
        own.more.resize(rows * count);
        multiply<Single<float>>(matrix.up + first * s.rank, s.rank, count, own.low.data() + place * rows * wide_rank,
                                wide_rank, rows, own.more.data(), count);
        for (long r = 0; r < rows; ++r)
            for (long n = 0; n < count; ++n) out[r * stride + n] += own.more[r * count + n];
    }

    void lower(const Matrix& matrix, long depth, const Input* inputs, long width, Own& own, long place = 0) const {
        if (matrix.down)
            multiply<Q>(static_cast<const Number*>(matrix.down), depth, s.rank, inputs, width, s.rows,
                        own.low.data() + place * s.rows * wide_rank, wide_rank);
    }

    // The stream takes in what the last product gave.
    void take(Own& own, const float* after) const {
        for (long r = 0; r < s.rows; ++r) {
            const float* from = added.data() + r * s.hidden;
            float* to = own.stream.data() + r * s.hidden;
            const float factor = f.residual * (after ? evened(from, s.hidden, f.epsilon) : 1.0f);
            for (long n = 0; n < s.hidden; ++n) to[n] += factor * from[n] * (after ? after[n] : 1.0f);
        }
    }

    void even(Own& own, const float* before) const {
        for (long r = 0; r < s.rows; ++r) {
            const float* from = own.stream.data() + r * s.hidden;
            const float factor = before ? evened(from, s.hidden, f.epsilon) : 1.0f;
            for (long n = 0; n < s.hidden; ++n)
                write(&own.normed[r * wide_hidden + n], factor * from[n] * (before ? before[n] : 1.0f));
        }
    }

    // A head's query or key as it is compared: evened and turned. `heads` are all of the row, this one the `place`th.
    void ready(const float* heads, long all_heads, long place, const float* weight, const Layer& layer, long row,
               float* to) const {
        const float* from = heads + place * s.size;
        if (weight && s.whole) {
            const float factor = evened(heads, all_heads * s.size, f.epsilon);
            for (long d = 0; d < s.size; ++d) to[d] = factor * from[d] * weight[place * s.size + d];
        } else if (weight) {
            const float factor = evened(from, s.size, f.epsilon);
            for (long d = 0; d < s.size; ++d) to[d] = factor * from[d] * weight[d];
        } else {
            std::copy(from, from + s.size, to);
        }
        if (!layer.cos) return;
        const float *cos = layer.cos + row * s.rotated, *sin = layer.sin + row * s.rotated;
        for (long d = 0, half = s.rotated / 2; d < half; ++d) {
            const float one = to[d], other = to[d + half];
            to[d] = one * cos[d] - other * sin[d];
            to[d + half] = other * cos[d + half] + one * sin[d + half];
        }
    }

    void attend(const Layer& layer, long window, long row, long head, Own& own) {
        const long each = s.heads / s.key_heads, group = head / each, size = s.size, length = lengths[row];
        const long first = window ? std::max(0L, length - window + 1) : 0, count = length - first;
        const float* numbers = asked.data() + row * (queries + 2 * known);
        const float* value = numbers + queries + known + group * size;
        float *mine = own.numbers.data(), *scores = own.scores.data();
        Number* key = own.key.data();
        Input* query = own.query.data();

        ready(numbers + queries, s.key_heads, group, layer.of_key, layer, row, mine);
        for (long d = 0; d < size; ++d) write(key + d, mine[d]);
        ready(numbers, s.heads, head, layer.of_query, layer, row, mine);
        for (long d = 0; d < size; ++d) write(query + d, mine[d]);

        const long start = (row * s.key_heads + group) * s.capacity * size;
        Number *keys = static_cast<Number*>(layer.keys) + start, *values = static_cast<Number*>(layer.values) + start;
        multiply<Q>(keys + first * size, size, count, query, 0, 1, scores, 0);
        multiply<Q>(key, size, 1, query, 0, 1, scores + count, 0);
        // One of the heads that share a key stores it. The others of this phase may read the cache before or after.
        if (head % each == 0)
            for (long d = 0; d < size; ++d) keys[length * size + d] = key[d], write(values + length * size + d, value[d]);

        Floats most = all(-INFINITY), total = {};
        for (long t = 0; t <= count; t += LANES) {
            Floats next = load(scores + t) * f.scores;
            if (f.cap > 0) next = bent(next, f.cap);
            store(scores + t, next);
        }
        std::fill(scores + count + 1, scores + up(count + 1), -INFINITY);
        for (long t = 0; t <= count; t += LANES) {
            const Floats next = load(scores + t);
            most = next > most ? next : most;
        }
        const float peak = largest(most);
        for (long t = 0; t <= count; t += LANES) {
            const Floats likely = exponential(load(scores + t) - peak);
            store(scores + t, likely);
            total += likely;
        }
        blend(values + first * size, count, size, scores, mine);
        const float part = 1.0f / sum(total);
        for (long d = 0; d < size; ++d)
            write(&seen[row * wide_queries + head * size + d], part * (mine[d] + scores[count] * value[d]));
    }

    void member(Team& team) {
        Own own;
        own.stream.assign(embedded, embedded + s.rows * s.hidden);
        own.normed.resize(s.rows * wide_hidden);
        own.scores.resize(up(*std::max_element(lengths, lengths + s.rows) + 1));
        own.pieces.resize(2 * s.rows * PIECE);
        own.numbers.resize(s.size);
        own.query.resize(padded(s.size));
        own.key.resize(s.size);
        own.low.resize(3 * s.rows * wide_rank);
        const long width = queries + 2 * known;
        for (long at = 0; at < s.layers; ++at) {
            const Layer& layer = layers[at];
            if (at) take(own, layers[at - 1].after_mlp);
            even(own, layer.before_attention);
            long place = 0;
            for (const Matrix* matrix : {&layer.query, &layer.key, &layer.value})
                lower(*matrix, s.hidden, own.normed.data(), wide_hidden, own, place++);
            team.share(width, LOT, own.patience, [&](long first, long last) {
                long begin = 0, place = 0;
                for (auto [matrix, outputs] : {std::pair{&layer.query, queries}, {&layer.key, known}, {&layer.value, known}}) {
                    const long from = std::max(first, begin), to = std::min(last, begin + outputs);
                    if (from < to)
                        product(*matrix, s.hidden, from - begin, to - begin, own.normed.data(), wide_hidden,
                                asked.data() + from, width, own, place);
                    begin += outputs, ++place;
                }
            });
            team.share(s.rows * s.heads, 1, own.patience, [&](long first, long last) {
                for (long task = first; task < last; ++task)
                    attend(layer, windows[at], task / s.heads, task % s.heads, own);
            });
            lower(layer.output, queries, seen.data(), wide_queries, own);
            team.share(s.hidden, LOT, own.patience, [&](long first, long last) {
                product(layer.output, queries, first, last, seen.data(), wide_queries, added.data() + first, s.hidden,
                        own);
            });
            take(own, layer.after_attention);
            even(own, layer.before_mlp);
            lower(layer.gate, s.hidden, own.normed.data(), wide_hidden, own, 0);
            lower(layer.up, s.hidden, own.normed.data(), wide_hidden, own, 1);
            team.share(s.mlp, LOT, own.patience, [&](long first, long last) {
                float *gate = own.pieces.data(), *up = gate + s.rows * PIECE;
                for (; first < last; first += PIECE) {
                    const long next = std::min(first + PIECE, last);
                    product(layer.gate, s.hidden, first, next, own.normed.data(), wide_hidden, gate, PIECE, own, 0);
                    product(layer.up, s.hidden, first, next, own.normed.data(), wide_hidden, up, PIECE, own, 1);
                    for (long n = 0; n < s.rows * PIECE; n += LANES)
                        store(gate + n, gated(load(gate + n), s.gelu) * load(up + n));
                    for (long r = 0; r < s.rows; ++r)
                        for (long n = first; n < next; ++n)
                            write(&between[r * wide_mlp + n], gate[r * PIECE + n - first]);
                }
            });
            lower(layer.down, s.mlp, between.data(), wide_mlp, own);
            team.share(s.hidden, LOT, own.patience, [&](long first, long last) {
                product(layer.down, s.mlp, first, last, between.data(), wide_mlp, added.data() + first, s.hidden, own);
            });
        }
        take(own, layers[s.layers - 1].after_mlp);
        even(own, norm);
        team.share(s.vocabulary, LOT, own.patience, [&](long first, long last) {
            product(head, s.hidden, first, last, own.normed.data(), wide_hidden, logits + first, s.vocabulary, own);
            for (long r = 0; r < s.rows; ++r)
                for (long n = r * s.vocabulary + first; n < r * s.vocabulary + last; ++n) {
                    logits[n] *= f.logits;
                    if (f.logits_cap > 0) logits[n] = f.logits_cap * std::tanh(logits[n] / f.logits_cap);
                }
        });
    }
};

template <typename P, typename Q>
void run(const Layer* layers, const int64_t* windows, const Shape& shape, const Factors& factors,
         const int64_t* lengths, void* const* ends, int threads) {
    Step<P, Q> step{layers, windows, shape, factors, lengths, static_cast<const float*>(ends[0]),
                 static_cast<const float*>(ends[1]), Matrix{ends[2], static_cast<const float*>(ends[3]), nullptr, nullptr},
                 static_cast<float*>(ends[4])};
    Team team;
#pragma omp parallel num_threads(threads)
    {
#pragma omp single
        team.size = omp_get_num_threads();  // there may be fewer than were asked for
        step.member(team);
    }
}

}  // namespace

// `layers` is a table of Layers, `sizes` a Shape, `factors` a Factors. `ends`: the embedded tokens, the last norm,
// the output layer's weight and bias, the logits; all of them but the weight float32. `weights` and
// `numbers` say whether the weights are bfloat16, and whether that is what is computed in.
extern "C" void modelforge_step(void* const* layers, const int64_t* windows, const int64_t* sizes, const float* factors,
                                const int64_t* lengths, void* const* ends, int weights, int numbers,
                                int threads) {
    using Whole = Single<float>;
    (numbers ? run<Halved, Halved> : weights ? run<Single<BFloat16>, Whole> : run<Whole, Whole>)(
        reinterpret_cast<const Layer*>(layers), windows, *reinterpret_cast<const Shape*>(sizes),
        *reinterpret_cast<const Factors*>(factors), lengths, ends, threads);
}
