// Products of bf16 tiles on Intel's matrix unit (AMX), sums in fp32, and the layouts that it reads.
//
// The right side of a product is read in pairs of rows: a 32-bit word holds one column of two neighbouring rows.
#pragma once

#if defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__linux__)
#define HAS_AMX 1

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#include "tiles.h"

namespace amx {

constexpr int ROWS = 16, DEPTH = 32;  // of one tile register: 16 rows of 32 bf16 or 16 floats

inline int rounded(int size, int to) { return (size + to - 1) / to * to; }

// Asks the kernel once for the right to use the tile registers.
inline bool is_allowed() {
    constexpr long REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;
    static const bool allowed = syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
    return allowed;
}

// The tile registers of the calling thread, all 16 rows of 64 bytes, for as long as this lives.
class Registers {
  public:
    Registers() {
        alignas(64) uint8_t config[64] = {};
        config[0] = 1;
        for (int tile = 0; tile < 8; ++tile) {
            config[16 + 2 * tile] = 64;
            config[48 + tile] = ROWS;
        }
        _tile_loadconfig(config);
    }
    ~Registers() { _tile_release(); }
};

// 16 * DOWN x 16 * ACROSS of C.
template <int DOWN, int ACROSS, bool ADD>
inline void block(int depth, const uint16_t* a, int a_step, const uint32_t* b, int b_step, float* c, int c_step) {
    const int64_t a_bytes = 2 * a_step, b_bytes = 4 * b_step, c_bytes = 4 * c_step;
    if (ADD) {
        _tile_loadd(0, c, c_bytes);
        if (ACROSS > 1) _tile_loadd(1, c + 16, c_bytes);
        if (DOWN > 1) _tile_loadd(2, c + 16 * c_step, c_bytes);
        if (DOWN > 1 && ACROSS > 1) _tile_loadd(3, c + 16 * c_step + 16, c_bytes);
    } else {
        _tile_zero(0);
        if (ACROSS > 1) _tile_zero(1);
        if (DOWN > 1) _tile_zero(2);
        if (DOWN > 1 && ACROSS > 1) _tile_zero(3);
    }
    for (int k = 0; k < depth; k += DEPTH) {
        _tile_loadd(4, a + k, a_bytes);
        _tile_loadd(6, b + k / 2 * b_step, b_bytes);
        _tile_dpbf16ps(0, 4, 6);
        if (ACROSS > 1) {
            _tile_loadd(7, b + k / 2 * b_step + 16, b_bytes);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (DOWN > 1) {
            _tile_loadd(5, a + 16 * a_step + k, a_bytes);
            _tile_dpbf16ps(2, 5, 6);
        }
        if (DOWN > 1 && ACROSS > 1) _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, c, c_bytes);
    if (ACROSS > 1) _tile_stored(1, c + 16, c_bytes);
    if (DOWN > 1) _tile_stored(2, c + 16 * c_step, c_bytes);
    if (DOWN > 1 && ACROSS > 1) _tile_stored(3, c + 16 * c_step + 16, c_bytes);
}

// C (rows x columns) = A B, or += with ADD. Sizes are rounded up to whole registers: what lies beyond must be readable,
// and zero where it counts in the depth. A by rows of `a_step` bf16, B by pairs of rows of `b_step` words.
template <bool ADD>
inline void product(int rows, int columns, int depth, const uint16_t* a, int a_step, const uint32_t* b, int b_step,
                    float* c, int c_step) {
    for (int row = 0; row < rows; row += 32) {
        for (int column = 0; column < columns; column += 32) {
            const uint16_t* left = a + row * a_step;
            const uint32_t* right = b + column;
            float* sum = c + row * c_step + column;
            const bool down = row + 16 < rows, across = column + 16 < columns;
            if (down && across) block<2, 2, ADD>(depth, left, a_step, right, b_step, sum, c_step);
            else if (down) block<2, 1, ADD>(depth, left, a_step, right, b_step, sum, c_step);
            else if (across) block<1, 2, ADD>(depth, left, a_step, right, b_step, sum, c_step);
            else block<1, 1, ADD>(depth, left, a_step, right, b_step, sum, c_step);
        }
    }
}

// Pairs of rows from `rows` (even) rows of `step` bf16 (a multiple of 32).
inline void pair_rows(const uint16_t* from, int step, int rows, uint32_t* to) {
    alignas(64) uint16_t low[32], high[32];
    for (int i = 0; i < 32; ++i) {
        low[i] = uint16_t(i / 2 + 32 * (i % 2));
        high[i] = uint16_t(low[i] + 16);
    }
    const __m512i first = _mm512_load_si512(low), second = _mm512_load_si512(high);
    for (int row = 0; row < rows; row += 2) {
        for (int c = 0; c < step; c += 32) {
            const __m512i even = _mm512_loadu_si512(from + row * step + c);
            const __m512i odd = _mm512_loadu_si512(from + (row + 1) * step + c);
            _mm512_storeu_si512(to + row / 2 * step + c, _mm512_permutex2var_epi16(even, first, odd));
            _mm512_storeu_si512(to + row / 2 * step + c + 16, _mm512_permutex2var_epi16(even, second, odd));
        }
    }
}

// The nearest bf16 of 16 floats.
inline __m256i nearest(const float* from) { return (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from)); }

// Pairs of rows from floats: `rows` (even) x `columns` (a multiple of 16), both sides in rows of `step`.
inline void pair_floats(const float* from, int step, int rows, int columns, uint32_t* to) {
    for (int row = 0; row < rows; row += 2) {
        for (int c = 0; c < columns; c += 16) {
            const __m512i even = _mm512_cvtepu16_epi32(nearest(from + row * step + c));
            const __m512i odd = _mm512_cvtepu16_epi32(nearest(from + (row + 1) * step + c));
            _mm512_storeu_si512(to + row / 2 * step + c, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
        }
    }
}

// Rows of bf16 from floats, both sides in rows of `step`.
inline void round_floats(const float* from, int step, int rows, int columns, uint16_t* to) {
    for (int row = 0; row < rows; ++row)
        for (int c = 0; c < columns; c += 16)
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + row * step + c), nearest(from + row * step + c));
}

}  // namespace amx

#endif
