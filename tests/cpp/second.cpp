/* A second unit that includes keycask.hpp: nothing in it is defined twice. */

#include <keycask.hpp>

std::string hash_of_the_second_unit(std::string_view api_key);

std::string hash_of_the_second_unit(std::string_view api_key) { return keycask::hash(api_key); }
