// Eight doubles at a time, in the compiler's own vector types: the same lanes, the same order of
// operations and therefore the same bits on every instruction set.
#pragma once
#include <cstdint>
#include <cstring>

namespace rw::RW_ISA {

typedef double v8 __attribute__((vector_size(64)));
typedef int64_t i8x64 __attribute__((vector_size(64)));

#define RW_INLINE static inline __attribute__((always_inline))

RW_INLINE v8 splat(double x) { return v8{x, x, x, x, x, x, x, x}; }

RW_INLINE double sum(v8 x) {
  return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

RW_INLINE v8 select(i8x64 mask, v8 yes, v8 no) {
  return reinterpret_cast<v8>((reinterpret_cast<i8x64>(yes) & mask) |
                              (reinterpret_cast<i8x64>(no) & ~mask));
}

// exp(x) for x <= 0; relative error below 1e-15, results below 1e-300 are flushed to about 0.
RW_INLINE v8 exp_nonpositive(v8 x) {
  const v8 log2e = splat(1.4426950408889634), magic = splat(6755399441055744.0);
  const v8 ln2_hi = splat(6.93147180369123816490e-01), ln2_lo = splat(1.90821492927058770002e-10);
  x = select(x < splat(-690.0), splat(-690.0), x);
  v8 shifted = x * log2e + magic;
  v8 k = shifted - magic;
  v8 r = (x - k * ln2_hi) - k * ln2_lo;
  v8 p = splat(1.0 / 6227020800.0);
  p = p * r + splat(1.0 / 479001600.0);
  p = p * r + splat(1.0 / 39916800.0);
  p = p * r + splat(1.0 / 3628800.0);
  p = p * r + splat(1.0 / 362880.0);
  p = p * r + splat(1.0 / 40320.0);
  p = p * r + splat(1.0 / 5040.0);
  p = p * r + splat(1.0 / 720.0);
  p = p * r + splat(1.0 / 120.0);
  p = p * r + splat(1.0 / 24.0);
  p = p * r + splat(1.0 / 6.0);
  p = p * r + splat(0.5);
  p = p * (r * r) + r + splat(1.0);
  i8x64 bits = reinterpret_cast<i8x64>(p) + (reinterpret_cast<i8x64>(shifted) << 52);
  return reinterpret_cast<v8>(bits);
}

// log(1 + e) for 0 <= e <= 1, relative error below 1e-15 (series of atanh).
RW_INLINE v8 log1p_unit(v8 e) {
  i8x64 upper = e > splat(0.41421356237309503);
  v8 z = select(upper, e - splat(1.0), e) / select(upper, e + splat(3.0), e + splat(2.0));
  v8 q = z * z;
  v8 p = splat(1.0 / 23.0);
  p = p * q + splat(1.0 / 21.0);
  p = p * q + splat(1.0 / 19.0);
  p = p * q + splat(1.0 / 17.0);
  p = p * q + splat(1.0 / 15.0);
  p = p * q + splat(1.0 / 13.0);
  p = p * q + splat(1.0 / 11.0);
  p = p * q + splat(1.0 / 9.0);
  p = p * q + splat(1.0 / 7.0);
  p = p * q + splat(1.0 / 5.0);
  p = p * q + splat(1.0 / 3.0);
  v8 series = (z + z) + (z + z) * (p * q);
  return series + select(upper, splat(0.6931471805599453), splat(0.0));
}

// 1 / (1 + exp(-s))
RW_INLINE v8 sigmoid(v8 s) {
  i8x64 up = s >= splat(0.0);
  v8 e = exp_nonpositive(select(up, -s, s));
  return select(up, splat(1.0), e) / (splat(1.0) + e);
}

// Value, residual (derivative) and curvature of  positive*softplus(-s) + negative*softplus(s).
struct Logistic {
  v8 loss, residual, curvature;
};

RW_INLINE Logistic logistic(v8 s, v8 positive, v8 negative) {
  const v8 zero = splat(0.0), one = splat(1.0);
  i8x64 up = s >= zero;
  v8 magnitude = select(up, s, -s);
  v8 e = exp_nonpositive(-magnitude);
  v8 l = log1p_unit(e);
  v8 inverse = one / (one + e);
  v8 large = inverse, small = e * inverse;
  v8 p = select(up, large, small), q = select(up, small, large);
  v8 total = positive + negative;
  Logistic out;
  out.loss = total * l + select(up, negative, positive) * magnitude;
  out.residual = negative * p - positive * q;
  out.curvature = total * (p * q);
  return out;
}

}  // namespace rw::RW_ISA
