// simd.h's functions against libm in doubles over a sweep of the floats; compiled once per tier.
#include "simd/simd.h"

#include <cmath>
#include <cstdio>

namespace hd::HD_TIER {
int check_simd();

namespace {

struct Function {
  const char* name;
  vf (*fast)(vf);
  double (*exact)(double);
  double relative, absolute;  // allowed error
};

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }
double exp2_of(double x) { return std::exp2(x); }
double exp_of(double x) { return std::exp(x); }
double tanh_of(double x) { return std::tanh(x); }
double erf_of(double x) { return std::erf(x); }
double log_of(double x) { return std::log(x); }

int check(const Function& f) {
  constexpr double ulp = 0x1p-24;
  double worst = 0;
  float worst_at = 0;
  int bad = 0;
  // every 4099th pattern of 32 bits meets all exponents, both signs, denormals and NaN; infinities and zeros are added
  const uint32_t special[] = {0,           0x80000000u, 0x7f800000u, 0xff800000u, 0x7fc00000u, 1,
                              0x80000001u, 0x007fffffu, 0x00800000u, 0x42b17218u, 0xc2cff1b5u};
  for (uint64_t k = 0; k < (uint64_t{1} << 32); k += 4099) {
    const uint32_t pattern = k / 4099 < 11 ? special[k / 4099] : static_cast<uint32_t>(k);
    float x;
    std::memcpy(&x, &pattern, 4);
    const float got = f.fast(splat(x))[0];
    const double want = f.exact(static_cast<double>(x));
    const float rounded = static_cast<float>(want);
    if (std::isnan(want) ? std::isnan(got) : got == rounded) continue;
    const double error = std::fabs(static_cast<double>(got) - want);
    const double allowed = std::fabs(want) * f.relative + f.absolute;
    if (std::fabs(want) > 0x1p-126 && error / std::fabs(want) > worst) worst = error / std::fabs(want), worst_at = x;
    if (!(error <= allowed) && bad++ < 3)
      std::printf("FAILED %s(%.9g) is %.9g, expected %.9g\n", f.name, static_cast<double>(x), static_cast<double>(got), want);
  }
  std::printf("  %-8s worst relative error %.2f x 2^-24 at %.9g\n", f.name, worst / ulp, static_cast<double>(worst_at));
  return bad;
}
}  // namespace

int check_simd() {
  constexpr double ulp = 0x1p-23, tiny = 0x1p-148;
  const Function functions[] = {{"exp2", exp2, exp2_of, 2 * ulp, tiny}, {"exp", exp, exp_of, 2 * ulp, tiny},
                                {"tanh", tanh, tanh_of, 2 * ulp, tiny}, {"sigmoid", sigmoid, sigmoid_of, 3 * ulp, 0x1p-126},
                                {"erf", erf, erf_of, 2 * ulp, tiny},    {"log", log, log_of, 2 * ulp, tiny}};
  int bad = 0;
  for (const Function& f : functions) bad += check(f);
  return bad;
}
}  // namespace hd::HD_TIER
