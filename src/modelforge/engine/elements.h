// What is done to a vector of elements between two products, for the C++ of this folder.
#pragma once
#include "../vectors.h"

namespace {

enum Activation { SILU, GELU };

// What an activation makes of x, and its slope there.
inline Floats active(Floats x, Activation kind, Floats* slope) {
    if (kind == SILU) {
        Floats share = 1.0f / (1.0f + exponential(-x));
        *slope = share * (1.0f + x * (1.0f - share));
        return x * share;
    }
    const float factor = 0.7978845608f, cubic = 0.044715f;  // the square root of 2 / pi; GELU by tanh
    Floats bent = 1.0f - 2.0f / (exponential(2.0f * factor * (x + cubic * x * x * x)) + 1.0f);
    *slope = 0.5f * (1.0f + bent) + 0.5f * factor * x * (1.0f - bent * bent) * (1.0f + 3.0f * cubic * x * x);
    return 0.5f * x * (1.0f + bent);
}

// Which of the next elements dropout keeps: for each a number by its place and a seed, at least `least` where it is kept.
// The mixing is that of MurmurHash3's end, each half of the seed coming in before one of its products.
inline Ints kept(long place, const uint32_t* seed, int32_t least) {
    Words number;
    for (int lane = 0; lane < LANES; ++lane) number[lane] = static_cast<uint32_t>(place + lane);
    number = (number ^ seed[0]) * 0x9e3779b1u;
    number = (number ^ (number >> 16) ^ seed[1]) * 0x85ebca6bu;
    number = (number ^ (number >> 13)) * 0xc2b2ae35u;
    number ^= number >> 16;
    return reinterpret_cast<Ints&>(number) >= least;
}

// What is left of them, `scale` times as large.
inline Floats dropped(Floats values, long place, const uint32_t* seed, int32_t least, float scale) {
    return kept(place, seed, least) ? scale * values : Floats{};
}

}  // namespace
