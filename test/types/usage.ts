// What an app in TypeScript writes, and what its compiler must not let through.
import { Problem, createClient, supported, type Client, type User } from "https://auth.example.com/passwordless.js";

const auth: Client = createClient({ url: "https://auth.example.com", clientId: "spa", storage: localStorage, apis: ["https://api.example.com"] });
auth.onchange = (user) => void user?.email.toUpperCase();

export async function signIn(address: string, code: string, proof: string): Promise<User> {
  const mail = await auth.startEmail(address);
  mail.resend_after.toFixed();
  let step = await auth.verifyEmail(mail.flow, code);
  // @ts-expect-error: nobody is signed in yet
  step.user.email;
  if (!step.user) {
    step = step.next === "totp" ? await auth.verifyTotp(step.flow, proof) : await auth.verifyRecovery(step.flow, proof);
  }
  if (!step.user) throw new Error(step.methods.join());
  return step.user;
}

export async function rest(): Promise<void> {
  if (supported) {
    const stop = auth.autofill((problem) => void problem.code.length);
    stop();
  }
  const response: Response = await auth.fetch("https://api.example.com/orders", { method: "POST" });
  response.ok;
  const token: string = await auth.accessToken();
  token.length;
  // @ts-expect-error: null when nobody is signed in
  auth.user.email;
  // @ts-expect-error: it is for reading
  auth.user = null;
  // @ts-expect-error: there is no such scope
  await auth.signOut("everyone");
  // @ts-expect-error: url is needed
  createClient({});
  try {
    await auth.signOut("others");
  } catch (error) {
    if (error instanceof Problem && error.retryAfter > 0) error.methods.join();
  }
}
