import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { utf8 } from "./bytes.ts";

describe("base64", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["", ""],
    ["f", "Zg=="],
    ["fo", "Zm8="],
    ["foo", "Zm9v"],
    ["foobar", "Zm9vYmFy"],
  ];
  it("encodeBase64() and decodeBase64() agree with the vectors of RFC 4648", () => {
    for (const [plain, text] of cases) {
      assertEquals(encodeBase64(utf8(plain)), text);
      assertEquals(decodeBase64(text), utf8(plain));
    }
  });

  it("decodeBase64() gives nothing when the text is not base64", () => {
    for (const text of ["Zg", "Zg=", "Z===", "Zg==Zg==", "Zm9*", "=Zg="]) {
      assertEquals(decodeBase64(text), undefined, text);
    }
  });

  it("decodeBase64() returns every byte that encodeBase64() was given", () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    assertEquals(decodeBase64(encodeBase64(bytes)), bytes);
  });
});
