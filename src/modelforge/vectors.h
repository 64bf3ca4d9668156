// Vectors of the processor's own width, and the two types of numbers that models are stored in, for the C++ of this
// package. Sums are float32 whatever is read.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef float Floats __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef uint16_t Halves __attribute__((vector_size(LANES * 2), aligned(2), may_alias));
typedef int32_t Ints __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef uint32_t Words __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

inline Floats load(const float* from) { return *reinterpret_cast<const Floats*>(from); }
inline void store(float* to, Floats values) { *reinterpret_cast<Floats*>(to) = values; }
inline Floats all(float value) { return value - Floats{}; }
inline long up(long count) { return (count + LANES - 1) / LANES * LANES; }

struct BFloat16 {
    uint16_t bits;
};

inline float read(float value) { return value; }
inline float read(BFloat16 value) {
    uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
    float result;
    std::memcpy(&result, &bits, 4);
    return result;
}
inline void write(float* to, float value) { *to = value; }
inline void write(BFloat16* to, float value) {  // to the nearest, and to the even one of two
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    to->bits = static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
}

// The next numbers, and back; as many as there are, where the end of a row is near.
inline Floats take(const float* from, long count) {
    if (count >= LANES) return load(from);
    Floats values = {};
    for (long i = 0; i < count; ++i) values[i] = from[i];
    return values;
}
inline Floats take(const BFloat16* from, long count) {
    Halves halves = {};
    if (count >= LANES)
        halves = *reinterpret_cast<const Halves*>(from);
    else
        for (long i = 0; i < count; ++i) halves[i] = from[i].bits;
    Ints bits = __builtin_convertvector(halves, Ints) << 16;
    return reinterpret_cast<Floats&>(bits);
}
inline void put(float* to, Floats values, long count) {
    if (count >= LANES) return store(to, values);
    for (long i = 0; i < count; ++i) to[i] = values[i];
}
inline void put(BFloat16* to, Floats values, long count) {
    if (count < LANES) {
        for (long i = 0; i < count; ++i) write(to + i, values[i]);
        return;
    }
    Words bits = reinterpret_cast<Words&>(values), rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    rounded = values == values ? rounded : (rounded & 0) + 0x7fc0;
    *reinterpret_cast<Halves*>(to) = __builtin_convertvector(rounded, Halves);
}

// e to the x, of a relative error below 2e-7; 0 below -87, and never more than e to the 88. The polynomial is that of
// Cephes' expf.
inline Floats exponential(Floats x) {
    const Floats lowest = all(-87.0f), highest = all(88.0f), shift = all(12582912.0f);
    Ints none = x < lowest;
    x = none ? lowest : x > highest ? highest : x;
    Floats whole = (x * 1.44269504f + shift) - shift;
    Floats rest = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    Floats sum = all(1.9875691500e-4f);
    for (float next : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
        sum = sum * rest + next;
    sum = sum * rest * rest + rest + 1.0f;
    Ints power = (__builtin_convertvector(whole, Ints) + 127) << 23;
    Floats result = sum * reinterpret_cast<Floats&>(power);
    return none ? Floats{} : result;
}

inline float sum(Floats values) {
    typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));
    const Four* parts = reinterpret_cast<const Four*>(&values);
    Four total = parts[0];
    for (int part = 1; part < LANES / 4; ++part) total += parts[part];
    return (total[0] + total[1]) + (total[2] + total[3]);
}
inline float largest(Floats values) {
    float most = values[0];
    for (int lane = 1; lane < LANES; ++lane) most = std::max(most, values[lane]);
    return most;
}

}  // namespace
