// What lies between the products of a decoder layer, and behind the last of them: norms, turns by positions, gates,
// dropout, and what logits say; forward and backward. Each reads its input once and writes its result once, where torch's operations
// write down every step between. Sums are float32 whatever the inputs are.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "elements.h"

namespace {

// Of shape (tokens, heads, size); the elements of a head lie one after the other.
template <typename T>
struct Rows {
    T* start;
    long token, head;
    T* at(long t, long h) const { return start + t * token + h * head; }
};

// x · factor · weight, where the factor makes the mean square of a row 1 (RMSNorm, Zhang and Sennrich 2019).
template <typename T>
void norm(const Rows<const T>& x, const float* weight, const Rows<T>& out, float* factors, long tokens, long heads,
          long size, float epsilon, int threads) {
#pragma omp parallel for num_threads(threads)
    for (long t = 0; t < tokens; ++t)
        for (long h = 0; h < heads; ++h) {
            const T* from = x.at(t, h);
            T* to = out.at(t, h);
            Floats squares = {};
            for (long d = 0; d < size; d += LANES) {
                Floats next = take(from + d, size - d);
                squares += next * next;
            }
            const float factor = 1.0f / std::sqrt(sum(squares) / size + epsilon);
            factors[t * heads + h] = factor;
            for (long d = 0; d < size; d += LANES)
                put(to + d, factor * take(from + d, size - d) * take(weight + d, size - d), size - d);
        }
}

template <typename T>
void norm_back(const Rows<const T>& grad, const Rows<const T>& x, const float* weight, const float* factors,
               const Rows<T>& by_x, long tokens, long heads, long size, int threads) {
#pragma omp parallel for num_threads(threads)
    for (long t = 0; t < tokens; ++t)
        for (long h = 0; h < heads; ++h) {
            const T *wanted = grad.at(t, h), *from = x.at(t, h);
            T* to = by_x.at(t, h);
            const float factor = factors[t * heads + h];
            Floats both = {};
            for (long d = 0; d < size; d += LANES)
                both += take(wanted + d, size - d) * take(weight + d, size - d) * take(from + d, size - d);
            const float mean = sum(both) * factor * factor / size;
            for (long d = 0; d < size; d += LANES) {
                const long left = size - d;
                put(to + d, factor * (take(wanted + d, left) * take(weight + d, left) - mean * take(from + d, left)),
                    left);
            }
        }
}

// Pairs of a head's first and second half, turned by the angle of its place (RoPE, Su et al. 2021); what lies behind
// `turned` stays. Backward: the transposed turn.
template <typename T>
void turn(const Rows<const T>& x, const float* cosines, const float* sines, const Rows<T>& out, long tokens, long heads,
          long size, long turned, bool back, int threads) {
    const long half = turned / 2;
#pragma omp parallel for num_threads(threads)
    for (long t = 0; t < tokens; ++t) {
        const float *cosine = cosines + t * turned, *sine = sines + t * turned;
        for (long h = 0; h < heads; ++h) {
            const T* from = x.at(t, h);
            T* to = out.at(t, h);
            for (long d = 0; d < half; d += LANES) {
                const long left = half - d;
                Floats one = take(from + d, left), other = take(from + half + d, left);
                Floats right = take(sine + d, left), wrong = take(sine + half + d, left);
                if (back) std::swap(right, wrong), right = -right, wrong = -wrong;
                put(to + d, one * take(cosine + d, left) - other * right, left);
                put(to + half + d, other * take(cosine + half + d, left) + one * wrong, left);
            }
            std::copy(from + turned, from + size, to + turned);
        }
    }
}

// activation(gate) · up, rows of `size`; gate and up are rows of something wider.
template <typename T>
void gate(const Rows<const T>& gates, const Rows<const T>& ups, const Rows<T>& out, long tokens, long size,
          Activation kind, int threads) {
#pragma omp parallel for num_threads(threads)
    for (long t = 0; t < tokens; ++t)
        for (long d = 0; d < size; d += LANES) {
            const long left = size - d;
            Floats slope;
            Floats open = active(take(gates.at(t, 0) + d, left), kind, &slope);
            put(out.at(t, 0) + d, open * take(ups.at(t, 0) + d, left), left);
        }
}

template <typename T>
void gate_back(const Rows<const T>& grad, const Rows<const T>& gates, const Rows<const T>& ups, const Rows<T>& by_gate,
               const Rows<T>& by_up, long tokens, long size, Activation kind, int threads) {
#pragma omp parallel for num_threads(threads)
    for (long t = 0; t < tokens; ++t)
        for (long d = 0; d < size; d += LANES) {
            const long left = size - d;
            Floats slope, wanted = take(grad.at(t, 0) + d, left);
            Floats open = active(take(gates.at(t, 0) + d, left), kind, &slope);
            put(by_gate.at(t, 0) + d, wanted * take(ups.at(t, 0) + d, left) * slope, left);
            put(by_up.at(t, 0) + d, wanted * open, left);
        }
}

// x with some elements made 0 and the others as much larger; backward: what stands in `out` and the same of x.
template <typename T>
void drop(const Rows<const T>& x, const Rows<T>& out, const uint32_t* seed, int32_t least, float scale, long tokens,
          long size, bool back, int threads) {
#pragma omp parallel for num_threads(threads)
    for (long t = 0; t < tokens; ++t)
        for (long d = 0; d < size; d += LANES) {
            const long left = size - d;
            const Floats next = dropped(take(x.at(t, 0) + d, left), t * size + d, seed, least, scale);
            put(out.at(t, 0) + d, back ? take(out.at(t, 0) + d, left) + next : next, left);
        }
}

// A logit as the model means it: scaled, and bent where there is a cap.
inline Floats meant(Floats logit, float scale, float cap) {
    logit *= scale;
    return cap > 0 ? cap - 2.0f * cap / (exponential(logit * (2.0f / cap)) + 1.0f) : logit;
}

struct Said {
    float log_prob, entropy, mean, likeliest;
};

// What each row of logits says of its target. With `weights`, the logits become the gradient by them of the sum of
// weight · log_prob.
template <typename T>
void read_logits(T* logits, const int64_t* targets, const float* weights, Said* said, long places, long vocabulary,
                 float scale, float cap, int threads) {
#pragma omp parallel for num_threads(threads)
    for (long place = 0; place < places; ++place) {
        T* row = logits + place * vocabulary;
        const long target = targets[place], whole = vocabulary / LANES * LANES;
        Floats most = all(-INFINITY), sums = {};
        for (long v = 0; v < whole; v += LANES) {
            Floats next = meant(take(row + v, LANES), scale, cap);
            most = next > most ? next : most;
            sums += next;
        }
        float peak = largest(most), mean = sum(sums);
        for (long v = whole; v < vocabulary; ++v) {
            const float next = meant(all(read(row[v])), scale, cap)[0];
            peak = std::max(peak, next), mean += next;
        }
        Floats parts = {}, weighted = {};
        for (long v = 0; v < whole; v += LANES) {
            Floats next = meant(take(row + v, LANES), scale, cap) - peak, part = exponential(next);
            parts += part, weighted += part * next;
        }
        float total = sum(parts), moment = sum(weighted);
        for (long v = whole; v < vocabulary; ++v) {
            const float next = meant(all(read(row[v])), scale, cap)[0] - peak, part = std::exp(next);
            total += part, moment += part * next;
        }
        const float found = meant(all(read(row[target])), scale, cap)[0], log_sum = std::log(total);
        said[place] = {found - peak - log_sum, log_sum - moment / total, mean / vocabulary, found == peak ? 1.0f : 0.0f};
        if (!weights) continue;
        const float down = peak + log_sum, factor = weights[place] * scale;
        const float bent = cap > 0 ? found / cap : 0.0f;
        for (long v = 0; v < vocabulary; v += LANES) {
            const long left = vocabulary - v;
            Floats next = meant(take(row + v, left), scale, cap), slope = -factor * exponential(next - down);
            if (cap > 0) slope *= 1.0f - (next / cap) * (next / cap);
            put(row + v, slope, left);
        }
        write(row + target, factor * (1.0f - std::exp(found - down)) * (1.0f - bent * bent));
    }
}

template <typename T>
Rows<T> rows(void* start, const int64_t* strides) {
    return {static_cast<T*>(start), static_cast<long>(strides[0]), static_cast<long>(strides[1])};
}

enum Work { NORM, NORM_BACK, TURN, TURN_BACK, GATE, GATE_BACK, DROP, DROP_BACK };

// `p` and `s`: rows with two strides each, results last, and behind them numbers in float32; of dropout, its seed.
template <typename T>
void run(int work, void* const* p, const int64_t* s, const int64_t* sizes, float factor, int threads) {
    const long tokens = static_cast<long>(sizes[0]), heads = static_cast<long>(sizes[1]);
    const long size = static_cast<long>(sizes[2]), more = static_cast<long>(sizes[3]);
    auto from = [&](int at) { return rows<const T>(p[at], s + 2 * at); };
    auto to = [&](int at) { return rows<T>(p[at], s + 2 * at); };
    auto numbers = [&](int at) { return static_cast<float*>(p[at]); };
    const Activation kind = more ? GELU : SILU;
    switch (work) {
        case NORM:
            return norm<T>(from(0), numbers(2), to(1), numbers(3), tokens, heads, size, factor, threads);
        case NORM_BACK:
            return norm_back<T>(from(0), from(1), numbers(3), numbers(4), to(2), tokens, heads, size, threads);
        case TURN:
        case TURN_BACK:
            return turn<T>(from(0), numbers(2), numbers(3), to(1), tokens, heads, size, more, work == TURN_BACK, threads);
        case GATE:
            return gate<T>(from(0), from(1), to(2), tokens, size, kind, threads);
        case GATE_BACK:
            return gate_back<T>(from(0), from(1), from(2), to(3), to(4), tokens, size, kind, threads);
        case DROP:
        case DROP_BACK:
            return drop<T>(from(0), to(1), static_cast<const uint32_t*>(p[2]), static_cast<int32_t>(more), factor, tokens,
                           size, work == DROP_BACK, threads);
    }
}

}  // namespace

extern "C" void modelforge_pointwise(int work, void* const* tensors, const int64_t* strides, const int64_t* sizes,
                                     float factor, int threads) {
    run<ELEMENT>(work, tensors, strides, sizes, factor, threads);
}

extern "C" void modelforge_logits(void* logits, const int64_t* targets, const float* weights, void* said, int64_t places,
                                  int64_t vocabulary, float scale, float cap, int threads) {
    read_logits(static_cast<ELEMENT*>(logits), targets, weights, static_cast<Said*>(said), static_cast<long>(places),
                static_cast<long>(vocabulary), scale, cap, threads);
}
