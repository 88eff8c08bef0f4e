#ifndef RALLY_COMMON_PIPELINE_GO_TEMPLATE_FLOAT_TEXT_H_
#define RALLY_COMMON_PIPELINE_GO_TEMPLATE_FLOAT_TEXT_H_

#include <string>

namespace rally::go_template {

// The fewest digits that read back as the same number.
inline constexpr int kShortest = -1;

// A number as Go writes it, the same in every locale. `form` is one of
//   'e' 'E'  3.14e+00
//   'f'      3.14
//   'g' 'G'  'e' when the decimal exponent is below -4 or at least the precision (6 for the
//            shortest), else 'f'; no zeros at the end
//   'x' 'X'  0x1.91eb851eb851fp+01
//   'b'      7070651414971679p-51
// `precision` counts digits behind the point, for 'g' all digits; kShortest for any form. The size
// is bounded by the precision: the caller bounds that. "NaN", "+Inf" and "-Inf" have no form.
std::string FloatText(double value, char form, int precision);

}  // namespace rally::go_template

#endif  // RALLY_COMMON_PIPELINE_GO_TEMPLATE_FLOAT_TEXT_H_
